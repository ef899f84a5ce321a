/** What an operator asks of a cluster, by way of any of its nodes: injectable, and the same over HTTP. */
import { type ClusterView } from './cluster/cluster-view.js';
import { assertType } from './client/call-arguments.js';
import { clusterReportOf, type ReportParts } from './client/cluster-report.js';
import { type DkvOptions } from './dkv.options.js';
import { DKV_VERSION } from './dkv.version.js';
import {
  type ClusterReport,
  type Explanation,
  type NodeDiagnosis,
  type PartitionReport,
} from './model/cluster-report.js';
import { type Clock } from './ports/clock.js';
import { type Processor } from './processor/processor.js';
import { type NodeStorage } from './storage/node-storage.js';

/** How long another node may take to come to lead. */
const TRANSFER_TIMEOUT_MS = 10_000;

export interface DkvAdminParts extends ReportParts {
  readonly processor: Processor;
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly storage: Pick<NodeStorage, 'failure' | 'isVolatile' | 'log' | 'metrics'>;
  readonly options: Pick<DkvOptions, 'dataDir' | 'durability'>;
  /** Of the disk of the data folder; rejects where that cannot be told. */
  readonly diskSpace: () => Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /** Undefined without TLS. */
  readonly certificate: () => NodeDiagnosis['certificate'];
}

/**
 * All methods may be called concurrently. Other nodes are asked where they alone can tell; one that does not answer in time is
 * told of in the report, and fails no call. Arguments of a wrong type are a TypeError.
 */
export class DkvAdmin {
  private readonly startedAt: number;

  constructor(private readonly parts: DkvAdminParts) {
    this.startedAt = parts.clock.now();
  }

  /** The cluster as this node sees it; nobody is asked, so it is told at once. */
  async cluster(): Promise<ClusterReport> {
    return clusterReportOf(this.parts, DKV_VERSION);
  }

  /**
   * The Raft groups of strong namespaces, with the state of each copy as its node tells it: one report for each partition, and
   * for each number of copies that namespaces have. Copies of nodes that do not answer within 10 s are missing.
   */
  partitions(): Promise<readonly PartitionReport[]> {
    return this.administration.partitions();
  }

  /**
   * Where a key is, and what each of its nodes has of it: version, digest and size of its record, never the value. A node that
   * does not answer within `peerTimeoutMs` has an `error`. `findings` tells what differs though it should not.
   * @throws DkvError `DKV_INVALID_KEY`, `DKV_UNKNOWN_NAMESPACE`
   */
  async explain(namespace: string, key: string): Promise<Explanation> {
    assertType('namespace', namespace, 'string');
    return this.administration.explain(namespace, key);
  }

  /** This node: its storage, its certificate, and how long a question to each other node takes. */
  async diagnose(): Promise<NodeDiagnosis> {
    const { view, clock, certificate } = this.parts;
    const [storage, peers] = await Promise.all([
      this.diagnoseStorage(),
      Promise.all(view.peers.map(({ nodeId }) => this.diagnosePeer(nodeId))),
    ]);
    const shown = certificate();
    return {
      nodeId: view.selfId,
      version: DKV_VERSION,
      runtime: process.versions.node,
      startedAt: this.startedAt,
      now: clock.now(),
      storage,
      peers,
      ...(shown && { certificate: shown }),
    };
  }

  /**
   * Has another node lead a group, one that holds a copy of it; resolves when it does. `group` is a number of the reports of
   * `partitions`. The node keeps the leadership for ten minutes, while it is fit to lead; then the preferred leader takes it
   * back. Nothing that was acknowledged is lost, and writes wait for some milliseconds.
   * @throws DkvError `DKV_INVALID_ARGUMENT` (no such group, or the node holds no copy of it), `DKV_NOT_READY` (the node does not
   *   answer, does not vote yet, has not caught up or is not fit to lead), `DKV_QUORUM_NOT_REACHED` (nobody leads the group),
   *   `DKV_TIMEOUT` (it did not take over within 10 s)
   */
  async transferLeadership(group: number, nodeId: string): Promise<void> {
    assertType('group', group, 'number');
    assertType('nodeId', nodeId, 'string');
    await this.administration.transferLeadership(group, nodeId, TRANSFER_TIMEOUT_MS);
  }

  private get administration(): Processor['administration'] {
    return this.parts.processor.administration;
  }

  private async diagnoseStorage(): Promise<NodeDiagnosis['storage']> {
    const { storage, options, diskSpace } = this.parts;
    const { failure, isVolatile, log } = storage;
    const space = isVolatile ? undefined : await diskSpace().catch(() => undefined);
    return {
      engine: storage.metrics().engine,
      folder: isVolatile ? '' : options.dataDir,
      durability: options.durability,
      ...space,
      failure: failure?.message ?? '',
      isDiskFull: log.isDiskFull,
    };
  }

  private async diagnosePeer(nodeId: string): Promise<NodeDiagnosis['peers'][number]> {
    const { view, transitions, groups } = this.parts;
    const way = await this.administration.roundTripMs(nodeId).then(
      (roundTripMs) => ({ roundTripMs }),
      (error: Error) => ({ error: error.message }),
    );
    const trouble = transitions.conditionOf(nodeId)?.trouble;
    const clockOffsetMs = groups.statusOf(nodeId)?.clockOffsetMs;
    return {
      nodeId,
      state: view.stateOf(nodeId),
      ...(trouble && { trouble }),
      ...way,
      ...(clockOffsetMs !== undefined && { clockOffsetMs }),
    };
  }
}
