/** The cluster as this node sees it. */
import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Dkv, InjectDkv } from 'nestjs-dkv';
import { Environment } from '../environment.js';
import { ClusterDto } from './cluster.dto.js';

@ApiTags('operation')
@Controller('cluster')
export class ClusterController {
  constructor(
    @InjectDkv() private readonly dkv: Dkv,
    private readonly environment: Environment,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Nodes, their state as seen here, and what they hold' })
  @ApiOkResponse({ type: ClusterDto })
  cluster(): ClusterDto {
    return { nodeId: this.environment.DKV_NODE_ID, nodes: this.dkv.cluster() };
  }
}
