/** What is measured when it is asked for: the state of this node as Prometheus gauges. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { waitingIn } from '../cluster/configuration-report.js';
import { type PeerTransitions } from '../cluster/peer-transitions.js';
import { type Dkv } from '../dkv.js';
import { type Usage } from '../model/usage.js';
import { type Membership } from '../ports/membership.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type MetricName, METRICS } from './metric-catalog.js';

/** What a node is asked for its figures, and what it is. */
export interface NodeFigures {
  readonly nodeId: string;
  /** Of the library. */
  readonly version: string;
  readonly dkv: Pick<Dkv, 'metrics' | 'cluster'>;
  readonly remote: Pick<RemoteKvRepo, 'metrics'>;
  readonly transitions: Pick<PeerTransitions, 'conditionOf' | 'counts'>;
  readonly membership: Pick<Membership, 'configuration' | 'candidates' | 'progress'>;
}

type Sample = readonly [labels: Record<string, string>, value: number];

/** Registers the gauges of one node; they are read when the registry is scraped. */
export function registerNodeGauges(registry: Registry, node: NodeFigures): void {
  const { nodeId, version, dkv, remote, transitions, membership } = node;
  const registers = [registry];
  // A scrape reads all gauges in one turn: the figures are put together once for it.
  let known: ReturnType<Dkv['metrics']> | undefined;
  const figures = () => {
    if (!known) {
      known = dkv.metrics();
      queueMicrotask(() => (known = undefined));
    }
    return known;
  };
  /** Whatever was told before is forgotten: what is not read any more is gone. */
  const each = (name: MetricName, read: () => Iterable<Sample>) => {
    const { type, help, labels } = METRICS[name];
    const options = { name, help, labelNames: [...labels], registers };
    if (type === 'counter') {
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const [of, value] of read()) {
            this.inc(of, value);
          }
        },
      });
    } else {
      new Gauge({
        ...options,
        collect() {
          this.reset();
          for (const [of, value] of read()) {
            this.set(of, value);
          }
        },
      });
    }
  };
  const one = (name: MetricName, read: () => number) => each(name, () => [[{}, read()]]);
  one('dkv_up', () => 1);
  one('dkv_ready', () => Number(figures().ready));
  const used = (of: keyof Usage) => () =>
    Array.from(figures().usage, ([namespace, usage]): Sample => [{ namespace }, usage[of]]);
  each('dkv_keys', used('keys'));
  each('dkv_data_bytes', used('bytes'));
  one('dkv_tombstones', () => figures().tombstones);
  one('dkv_storage_bytes', () => figures().storageBytes);
  one('dkv_cache_bytes', () => figures().cacheBytes ?? 0);
  one('dkv_log_bytes', () => figures().logBytes);
  one('dkv_checkpoint_age_seconds', () => figures().checkpointAgeMs / 1000);
  one('dkv_dirty_bytes', () => figures().dirtyBytes);
  one('dkv_groups_without_quorum', () => figures().groupsWithoutQuorum);
  one('dkv_groups_led', () => figures().groupsLed);
  one('dkv_term_changes_total', () => figures().termChanges);
  one('dkv_apply_lag_entries', () => figures().applyLag);
  one('dkv_corrupt_records_total', () => figures().corruptRecords);
  one('dkv_hints_pending_bytes', () => figures().hintBytes);
  one('dkv_partitions_under_replicated', () => figures().partitionsUnderReplicated);
  one('dkv_cache_hits_total', () => figures().cacheHits ?? 0);
  one('dkv_cache_misses_total', () => figures().cacheMisses ?? 0);
  each('dkv_voters_missing', () =>
    dkv
      .cluster()
      .filter(({ votersMissing }) => votersMissing > 0)
      .map(({ nodeId: peer, votersMissing }) => [{ peer }, votersMissing]),
  );
  const others = () => dkv.cluster().filter((member) => member.nodeId !== nodeId);
  each('dkv_peer_up', () =>
    others().map(({ nodeId: peer }) => [{ peer }, Number(transitions.conditionOf(peer)?.isUp ?? false)]),
  );
  each('dkv_peer_refusals_total', () =>
    Array.from(transitions.counts(), ([peer, reason, count]) => [{ peer, reason }, count]),
  );
  each('dkv_members', () =>
    ['up', 'suspect', 'down'].map((state) => [
      { state },
      dkv.cluster().filter((member) => member.state === state).length,
    ]),
  );
  registerMembership(one, membership);
  each('dkv_partitions_owned', () => {
    const own = dkv.cluster().find((member) => member.nodeId === nodeId);
    return [
      [{ role: 'holder' }, own?.partitions.holder ?? 0],
      [{ role: 'replica' }, own?.partitions.replica ?? 0],
    ];
  });
  each('dkv_peer_bytes_total', () => {
    const { sentBytes, receivedBytes } = remote.metrics();
    return [
      [{ direction: 'out' }, sentBytes],
      [{ direction: 'in' }, receivedBytes],
    ];
  });
  each('dkv_transferred_bytes_total', () => [
    [{ direction: 'out' }, figures().sentBytes],
    [{ direction: 'in' }, figures().receivedBytes],
  ]);
  each('dkv_build_info', () => [
    [{ engine: figures().engine, node: nodeId, version, node_version: process.versions.node }, 1],
  ]);
}

function registerMembership(
  one: (name: MetricName, read: () => number) => void,
  membership: NodeFigures['membership'],
): void {
  const configuration = () => membership.configuration;
  one('dkv_members_leaving', () => configuration().members.filter(({ isLeaving }) => isLeaving).length);
  one('dkv_candidates', () => membership.candidates.length);
  one('dkv_cluster_epoch', () => configuration().epoch);
  one('dkv_partitions_moving', () => configuration().moving.length);
  one('dkv_bytes_to_copy', () => {
    const { bytesTotal, bytesCopied } = membership.progress.whole;
    return bytesTotal - bytesCopied;
  });
  one('dkv_partitions_to_move', () => configuration().moving.length + waitingIn(configuration()));
}
