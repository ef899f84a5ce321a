/** The cluster for operators: REST on the peer port, for those who have the admin key. */
import { Body, Controller, Get, HttpCode, Inject, Post, Query } from '@nestjs/common';
import {
  type ClusterReport,
  type Explanation,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../model/cluster-report.js';
import { assertKey } from '../../model/key.js';
import { ExplainQuery, NoQuery, TransferBody } from './admin-dto.js';
import { AdminService } from './admin-service.js';

export interface TransferAnswer {
  readonly group: number;
  /** Of the node that leads it now. */
  readonly leader: string;
}

@Controller('admin')
export class AdminController {
  constructor(@Inject(AdminService) private readonly admin: AdminService) {}

  @Get('cluster')
  cluster(@Query() _query: NoQuery): Promise<ClusterReport> {
    return this.admin.cluster();
  }

  @Get('partitions')
  partitions(@Query() _query: NoQuery): Promise<readonly PartitionReport[]> {
    return this.admin.partitions();
  }

  @Get('explain')
  async explain(@Query() { namespace, key }: ExplainQuery): Promise<Explanation> {
    assertKey(key);
    return this.admin.explain(namespace, key);
  }

  @Get('diagnosis')
  diagnosis(@Query() _query: NoQuery): Promise<NodeDiagnosis> {
    return this.admin.diagnose();
  }

  /** Answers when the node leads the group. */
  @Post('transfer-leadership')
  @HttpCode(200)
  async transferLeadership(
    @Query() _query: NoQuery,
    @Body() { group, nodeId }: TransferBody,
  ): Promise<TransferAnswer> {
    await this.admin.transferLeadership(group, nodeId);
    return { group, leader: nodeId };
  }
}
