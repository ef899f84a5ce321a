/** Every metric of a node: what Prometheus and docs/metrics.md tell of it. `npm run docs:metrics` writes the page. */

export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** None has as many values as there are keys, callers or addresses. */
  readonly labels: readonly string[];
  readonly help: string;
  /** What to be alerted by; '' for what is looked at when something else is wrong. In the words of the page. */
  readonly alert: string;
}

const gauge = (help: string, labels: readonly string[] = [], alert = ''): MetricEntry => ({
  type: 'gauge',
  labels,
  help,
  alert,
});
const counter = (help: string, labels: readonly string[] = [], alert = ''): MetricEntry => ({
  type: 'counter',
  labels,
  help,
  alert,
});
const histogram = (help: string, labels: readonly string[] = [], alert = ''): MetricEntry => ({
  type: 'histogram',
  labels,
  help,
  alert,
});

/** By section of the page, in its order. */
export const METRIC_SECTIONS = {
  'The node': {
    dkv_up: gauge(
      'Whether the store is open',
      [],
      'absent for a minute: the process is gone, or not scraped',
    ),
    dkv_ready: gauge(
      'Whether this node is ready to serve',
      [],
      '0 for five minutes: health and the log say why',
    ),
    dkv_build_info: gauge(
      'Engine, node id, and the versions of nestjs-dkv and Node.js; always 1',
      ['engine', 'node', 'version', 'node_version'],
      'more than one `version` for longer than an update takes',
    ),
  },
  'Callers on this node': {
    dkv_operations_total: counter(
      'Operations of callers on this node; `result` is ok or the code of the error',
      ['namespace', 'op', 'result'],
      'a rate of `DKV_INDETERMINATE`, `DKV_QUORUM_NOT_REACHED`, `DKV_READ_ONLY` or `DKV_OVERLOADED` above what you tolerate',
    ),
    dkv_operation_duration_seconds: histogram(
      'Time of operations of callers on this node',
      ['namespace', 'op'],
      'a quantile above what your callers tolerate',
    ),
    dkv_value_bytes_total: counter('Bytes of values that callers of this node wrote and were given', [
      'namespace',
      'op',
    ]),
    dkv_quorum_failures_total: counter('Eventual operations for which too few nodes could be reached', [
      'op',
    ]),
  },
  Peers: {
    dkv_peer_up: gauge(
      'Whether a peer is heard by this node',
      ['peer'],
      '0 for longer than a restart takes; the log and `/cluster` say why',
    ),
    dkv_peer_refusals_total: counter(
      'Refusals between this node and a peer, either way; peers that are no members are `unknown`',
      ['peer', 'reason'],
      'any increase: the log says which side refuses the other, and the remedy',
    ),
    dkv_members: gauge('Members by state as this node sees them', ['state']),
    dkv_members_leaving: gauge('Members that give their copies away, and are none then'),
    dkv_candidates: gauge('Nodes that wait to be taken in as members'),
    dkv_cluster_epoch: gauge(
      'Epoch of the configuration that this node knows; it rises with each change of the members and each step of a move',
      [],
      'another than that of the other nodes for a minute: this node does not hear of changes',
    ),
    dkv_partitions_moving: gauge('Partitions, and the configuration itself, that move to other nodes now'),
    dkv_partitions_to_move: gauge(
      'Partitions, and the configuration itself, that are not yet where they are to be, those that move among them',
      [],
      'above 0 and not falling for as long as a partition takes to be copied',
    ),
    dkv_bytes_to_copy: gauge(
      'Bytes of keys and values that are still to be copied for partitions that move or wait, about',
    ),
    dkv_transferred_bytes_total: counter(
      'Bytes of records in snapshots of strong partitions, sent to others and received from them',
      ['direction'],
    ),
    dkv_clock_skew_seconds: gauge(
      'How far the clock of a peer seemed ahead, message delay included; eventual namespaces alone',
      ['peer'],
      'beyond half of `maxClockOffsetMs`, either way',
    ),
    dkv_peer_rpc_duration_seconds: histogram('Time of requests to peers; eventual namespaces alone', [
      'peer',
      'method',
    ]),
    dkv_peer_bytes_total: counter('Bytes that this node sent to peers and was answered', ['direction']),
  },
  'Strong namespaces': {
    dkv_groups_led: gauge(
      'Partitions of strong namespaces that this node leads',
      [],
      'the sum over all nodes is below the number of partitions for a minute',
    ),
    dkv_groups_without_quorum: gauge(
      'Own partitions of strong namespaces that take no writes: too few of their voters take part',
      [],
      'above 0 for a minute: their keys take no writes',
    ),
    dkv_voters_missing: gauge(
      'Own partitions of strong namespaces in which the vote of a node, this one too, is missing',
      ['peer'],
      'above 0 for longer than a restart takes: one more loss may stop writes',
    ),
    dkv_term_changes_total: counter(
      'Terms that began in partitions of this node since its start: elections, handed-over leaderships among them',
      [],
      'a lasting rate while no node restarts: leaders are lost again and again',
    ),
    dkv_apply_lag_entries: gauge(
      'Committed entries that this node has not applied yet',
      [],
      'rising for minutes: this node is slower than the writes',
    ),
  },
  'Eventual namespaces': {
    dkv_conflicts_total: counter('Joins of unlike values by the merger'),
    dkv_read_repairs_total: counter('Quorum reads that met different versions'),
    dkv_anti_entropy_bytes_total: counter('Bytes moved by anti-entropy', ['direction']),
    dkv_hints_pending_bytes: gauge('Marks of what other nodes missed', [], 'near `hintBytesMax`'),
    dkv_hint_overflows_total: counter('Hints not kept; anti-entropy repairs instead'),
    dkv_tombstones: gauge('Remembered deletes held by this node'),
    dkv_expired_keys_total: counter('Expired values that this node made tombstones'),
  },
  Storage: {
    dkv_keys: gauge('Live keys held by this node, about', ['namespace']),
    dkv_data_bytes: gauge(
      'Bytes of those keys and of their values, before the engine compresses them, about',
      ['namespace'],
    ),
    dkv_storage_bytes: gauge('Size of the store of this node', [], 'near the size of the disk'),
    dkv_log_bytes: gauge(
      'Size of the log of this node',
      [],
      'above `logRetentionBytesMax` for minutes: no checkpoint is made',
    ),
    dkv_checkpoint_age_seconds: gauge(
      'Since the last checkpoint, while there are changes that it has not; 0 else',
      [],
      'above 300: checkpoints fail, and the log of the node says why',
    ),
    dkv_dirty_bytes: gauge(
      'Strong records that no checkpoint has yet',
      [],
      'near 64 MiB: writes are refused at it',
    ),
    dkv_corrupt_records_total: counter(
      'Damaged strong records met by reads',
      [],
      'any increase: check the disk',
    ),
    dkv_cache_bytes: gauge('Memory of the hot records cached'),
    dkv_cache_hits_total: counter('Reads of records that were in the hot cache'),
    dkv_cache_misses_total: counter('Reads of records that had to go to the store'),
    dkv_partitions_owned: gauge('Partitions that this node holds, by role', ['role']),
    dkv_partitions_under_replicated: gauge(
      'Own partitions with a copy on a node that is down, or that is none of its voters',
      [],
      'above 0 for longer than a restart takes',
    ),
  },
  'The peer port': {
    dkv_peer_port_requests_total: counter(
      'HTTP requests answered on the peer port, of peers and of REST; `/peer/stream` with 101 is a stream that was opened',
      ['route', 'status'],
      'a rate of 403: somebody has another api key; of 5xx',
    ),
    dkv_peer_port_request_duration_seconds: histogram('Time of HTTP requests on the peer port', ['route']),
    dkv_peer_port_streams: gauge('Streams of peers that are open'),
    dkv_peer_port_stream_requests_total: counter(
      'Requests of peers answered over streams; `result` is ok or error; eventual namespaces alone',
      ['method', 'result'],
    ),
    dkv_peer_port_frames_total: counter(
      'One-way frames taken from peers: what strong namespaces are made of',
    ),
    dkv_peer_port_frame_bytes_total: counter('Bytes of the one-way frames taken from peers'),
  },
} as const satisfies Record<string, Record<`dkv_${string}`, MetricEntry>>;

type Sections = typeof METRIC_SECTIONS;
export type MetricName = { [S in keyof Sections]: keyof Sections[S] }[keyof Sections];

export const METRICS = Object.assign({}, ...Object.values(METRIC_SECTIONS)) as Readonly<
  Record<MetricName, MetricEntry>
>;
