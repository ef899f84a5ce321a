/** The cluster for operators: REST on the peer port, for those who have the admin key. */
import { Body, Controller, Get, HttpCode, Inject, Post, Query } from '@nestjs/common';
import {
  type ClusterReport,
  type Explanation,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../model/cluster-report.js';
import { assertKey } from '../../model/key.js';
import { type MovesReport } from '../../model/moves-report.js';
import {
  DecommissionBody,
  ExplainQuery,
  NodeBody,
  NoQuery,
  ReplaceBody,
  ReplicasBody,
  TransferBody,
  WeightBody,
  ZoneBody,
  ZonesBody,
} from './admin-dto.js';
import { AdminService } from './admin-service.js';

export interface TransferAnswer {
  readonly group: number;
  /** Of the node that leads it now. */
  readonly leader: string;
}

/** Of a change of the members: it is agreed on. */
export interface ChangeAnswer {
  /** Of a configuration that has the change. */
  readonly epoch: number;
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

  @Get('moves')
  moves(@Query() _query: NoQuery): Promise<MovesReport> {
    return this.admin.moves();
  }

  @Post('admit')
  @HttpCode(200)
  async admit(@Query() _query: NoQuery, @Body() { nodeId }: NodeBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.admit(nodeId) };
  }

  @Post('decommission')
  @HttpCode(200)
  async decommission(@Query() _query: NoQuery, @Body() { nodeId }: DecommissionBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.decommission(nodeId) };
  }

  @Post('remove')
  @HttpCode(200)
  async remove(@Query() _query: NoQuery, @Body() { nodeId }: NodeBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.remove(nodeId) };
  }

  @Post('replace')
  @HttpCode(200)
  async replace(@Query() _query: NoQuery, @Body() { nodeId, byNodeId }: ReplaceBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.replace(nodeId, byNodeId) };
  }

  @Post('keep')
  @HttpCode(200)
  async keep(@Query() _query: NoQuery, @Body() { nodeId }: NodeBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.keep(nodeId) };
  }

  @Post('weight')
  @HttpCode(200)
  async setWeight(@Query() _query: NoQuery, @Body() { nodeId, weight }: WeightBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.setWeight(nodeId, weight) };
  }

  @Post('zone')
  @HttpCode(200)
  async setZone(@Query() _query: NoQuery, @Body() { nodeId, zone }: ZoneBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.setZone(nodeId, zone) };
  }

  @Post('replicas')
  @HttpCode(200)
  async setReplicas(
    @Query() _query: NoQuery,
    @Body() { replicas, namespace }: ReplicasBody,
  ): Promise<ChangeAnswer> {
    return { epoch: await this.admin.setReplicas(replicas, namespace) };
  }

  @Post('zones')
  @HttpCode(200)
  async setPreferredZones(@Query() _query: NoQuery, @Body() { zones }: ZonesBody): Promise<ChangeAnswer> {
    return { epoch: await this.admin.setPreferredZones(zones) };
  }
}
