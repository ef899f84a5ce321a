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
import { type MovesReport } from './model/moves-report.js';
import { type Clock } from './ports/clock.js';
import { type AdminDoor, type ChangeOptions } from './processor/membership-administration.js';
import { type Processor } from './processor/processor.js';
import { type NodeStorage } from './storage/node-storage.js';

/** How long another node may take to come to lead. */
const TRANSFER_TIMEOUT_MS = 10_000;
/** How long a change of the members may take until it is agreed on. */
const CHANGE_TIMEOUT_MS = 10_000;

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
  /** By which way it is asked, for the log. */
  readonly door: AdminDoor;
}

/**
 * All methods may be called concurrently. Other nodes are asked where they alone can tell; one that does not answer in time is
 * told of in the report, and fails no call. Arguments of a wrong type are a TypeError.
 *
 * The members are changed by `admit`, `decommission`, `remove`, `replace`, `keep`, `setWeight` and `setZone`, the number of copies
 * by `setReplicas`, where leaders are by `setPreferredZones`. Each of them
 * resolves once the change is agreed on, with the epoch of a configuration that has it; then partitions move, a few at once, and
 * `moves` tells of it. Asked for again, a change that is agreed on changes nothing. The log of this node has a line for each.
 * All of them throw DkvErrors: `DKV_INVALID_ARGUMENT` (a node is no member or no candidate, nobody would stay, or a value is
 * outside its limits), `DKV_NOT_READY` (the cluster is not born yet), `DKV_QUORUM_NOT_REACHED` (a majority of the nodes that
 * keep the configuration cannot be reached), `DKV_CONFLICT` (others change the members all the time), `DKV_TIMEOUT` and
 * `DKV_INDETERMINATE` (no answer in time; after the latter it may be agreed on yet).
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

  /** What moves, what waits to, and what each member has: as this node knows it, told at once. It hears of a change within some heartbeats. */
  async moves(): Promise<MovesReport> {
    return this.parts.processor.membership.moves();
  }

  /** Takes a candidate in (`candidates` of `cluster`), with the weight and zone that it has. A member stays one. */
  async admit(nodeId: string): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    return this.parts.processor.membership.admit(nodeId, this.change);
  }

  /**
   * Has a node, by default this one, give all its copies away, after which it is no member. It must run until then; that
   * takes as long as the others need to fetch what it has.
   */
  async decommission(nodeId: string = this.parts.view.selfId): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    return this.parts.processor.membership.decommission(nodeId, this.change);
  }

  /**
   * The same for a node that is down and does not come back: its copies are made anew from those of others.
   * @throws DkvError `DKV_INVALID_ARGUMENT` where it is not down, as this node sees it, too
   */
  async remove(nodeId: string): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    return this.parts.processor.membership.remove(nodeId, this.change);
  }

  /** Has a member leave and a candidate join, in one step: what the one gives away, the other takes. */
  async replace(nodeId: string, byNodeId: string): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    assertType('byNodeId', byNodeId, 'string');
    return this.parts.processor.membership.replace(nodeId, byNodeId, this.change);
  }

  /** Has a node that leaves stay; one that does not leave stays anyway. */
  async keep(nodeId: string): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    return this.parts.processor.membership.keep(nodeId, this.change);
  }

  /** @param weight of the node's share of the data relative to the others; above 0 */
  async setWeight(nodeId: string, weight: number): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    assertType('weight', weight, 'number');
    return this.parts.processor.membership.setWeight(nodeId, weight, this.change);
  }

  /** @param zone failure domain of the node, up to 100 characters; '' where it is not known */
  async setZone(nodeId: string, zone: string): Promise<number> {
    assertType('nodeId', nodeId, 'string');
    assertType('zone', zone, 'string');
    return this.parts.processor.membership.setZone(nodeId, zone, this.change);
  }

  /**
   * Has a key on another number of nodes: of all namespaces that ask for no number of their own, and later also after restarts,
   * whatever the option `replicas` says. There are as many copies as members where these are fewer.
   * @param replicas copies besides the holder's, 0 to 15
   * @param namespace one that asked for a number of copies: it changes, and with it all those that asked for the same number. Others
   *   are a `DKV_INVALID_ARGUMENT`, or `DKV_UNKNOWN_NAMESPACE`
   */
  async setReplicas(replicas: number, namespace?: string): Promise<number> {
    assertType('replicas', replicas, 'number');
    if (namespace !== undefined) {
      assertType('namespace', namespace, 'string');
    }
    return this.parts.processor.membership.setReplicas(replicas, namespace, this.change);
  }

  /**
   * Has nodes of these zones lead while they are fit, the best zone first; none: leaders are spread over all nodes. Of namespaces
   * with fewer copies than the cluster gives, copies move to these zones; of others nothing does.
   * @param zones up to 16 different ones, each of 1 to 100 characters
   */
  async setPreferredZones(zones: readonly string[]): Promise<number> {
    return this.parts.processor.membership.setPreferredZones(zones, this.change);
  }

  private get change(): ChangeOptions {
    return { by: this.parts.door, timeoutMs: CHANGE_TIMEOUT_MS };
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
