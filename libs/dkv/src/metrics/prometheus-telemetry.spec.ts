/** The figures of a node as Prometheus reads them: names, labels, and that they count what they say. */
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { NO_PROGRESS } from '../../testing/fake-membership.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { configurationOf } from '../cluster/cluster-configuration.js';
import { type Dkv } from '../dkv.js';
import { Hashring } from '../hashring/hashring.js';
import { md5HashFunc } from '../hashring/md5-hash-func.js';
import { METRICS } from './metric-catalog.js';
import { type NodeFigures, registerNodeGauges } from './node-gauges.js';
import { PrometheusTelemetry } from './prometheus-telemetry.js';

const NODE = { nodeId: 'a', version: '1.2.3' };

let registry: Registry;
let telemetry: PrometheusTelemetry;

beforeEach(() => {
  registry = new Registry();
  telemetry = new PrometheusTelemetry(registry);
});

/** The lines of a scrape that begin so. */
async function scraped(start: string): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(start));
}

describe('what is counted while it happens', () => {
  it.each<[string, (t: PrometheusTelemetry) => void]>([
    [
      'dkv_operations_total{namespace="default",op="get",result="ok"} 1',
      (t) => t.operation('default', 'get', 'ok', 0.001, 0),
    ],
    [
      'dkv_operations_total{namespace="default",op="remove",result="DKV_TIMEOUT"} 1',
      (t) => t.operation('default', 'remove', 'DKV_TIMEOUT', 5, 0),
    ],
    [
      'dkv_operation_duration_seconds_count{namespace="default",op="addOrUpdate"} 1',
      (t) => t.operation('default', 'addOrUpdate', 'ok', 0.02, 0),
    ],
    [
      'dkv_operation_duration_seconds_sum{namespace="default",op="get"} 0.02',
      (t) => t.operation('default', 'get', 'ok', 0.02, 0),
    ],
    ['dkv_peer_rpc_duration_seconds_count{peer="b",method="get"} 1', (t) => t.peerCall('b', 'get', 0.5)],
    ['dkv_peer_rpc_duration_seconds_sum{peer="b",method="get"} 0.5', (t) => t.peerCall('b', 'get', 0.5)],
    ['dkv_quorum_failures_total{op="get"} 1', (t) => t.quorumFailure('get')],
    ['dkv_read_repairs_total 1', (t) => t.readRepair()],
    ['dkv_conflicts_total 1', (t) => t.conflict()],
    ['dkv_anti_entropy_bytes_total{direction="in"} 150', (t) => t.antiEntropyBytes('in', 150)],
    ['dkv_clock_skew_seconds{peer="b"} -0.25', (t) => t.clockSkew('b', -0.25)],
    ['dkv_hint_overflows_total 1', (t) => t.hintOverflow()],
    ['dkv_expired_keys_total 3', (t) => t.expiredKeys(3)],
    [
      'dkv_value_bytes_total{namespace="carts",op="get"} 70',
      (t) => t.operation('carts', 'get', 'ok', 0.02, 70),
    ],
    [
      'dkv_peer_port_requests_total{route="GET /kv/:key",status="404"} 1',
      (t) => t.httpRequest('GET /kv/:key', 404, 0.02),
    ],
    [
      'dkv_peer_port_request_duration_seconds_sum{route="GET /kv/:key"} 0.02',
      (t) => t.httpRequest('GET /kv/:key', 404, 0.02),
    ],
    ['dkv_peer_port_streams 1', (t) => t.streamsOpen(1)],
    [
      'dkv_peer_port_stream_requests_total{method="get",result="error"} 1',
      (t) => t.streamRequest('get', 'error'),
    ],
    ['dkv_peer_port_frames_total 1', (t) => t.frame(90)],
    ['dkv_peer_port_frame_bytes_total 90', (t) => t.frame(90)],
  ])('%s', async (line, report) => {
    expect(await scraped(line)).toEqual([]);
    report(telemetry);
    expect(await scraped(line)).toEqual([line]);
  });

  it('adds up, but for the skew of a clock, which is the last one seen', async () => {
    telemetry.readRepair();
    telemetry.readRepair();
    telemetry.clockSkew('b', 1);
    telemetry.clockSkew('b', 2);
    expect(await scraped('dkv_read_repairs_total')).toEqual(['dkv_read_repairs_total 2']);
    expect(await scraped('dkv_clock_skew_seconds')).toEqual(['dkv_clock_skew_seconds{peer="b"} 2']);
  });
});

describe('what is read when it is asked for', () => {
  const figures = {
    ready: true,
    usage: new Map([['carts', { keys: 11, bytes: 29 }]]),
    tombstones: 12,
    storageBytes: 13,
    hintBytes: 14,
    partitionsUnderReplicated: 15,
    engine: 'rocksdb',
    cacheHits: 16,
    cacheMisses: 17,
    cacheBytes: 18,
    logBytes: 19,
    dirtyBytes: 20,
    corruptRecords: 21,
    groupsWithoutQuorum: 22,
    groupsLed: 23,
    termChanges: 24,
    sentBytes: 31,
    receivedBytes: 32,
    applyLag: 25,
    checkpointAgeMs: 27_500,
  };
  const transitions = {
    conditionOf: (nodeId: string) => ({ isUp: nodeId === 'b', since: 0, trouble: undefined }),
    counts: () => [['b', 'key', 28] as const].values(),
  };
  const nodes = [
    { nodeId: 'a', state: 'up', votersMissing: 0, partitions: { holder: 5, replica: 6 } },
    { nodeId: 'b', state: 'up', votersMissing: 0, partitions: { holder: 7, replica: 8 } },
    { nodeId: 'c', state: 'down', votersMissing: 26, partitions: { holder: 9, replica: 10 } },
  ];
  const traffic = { sentBytes: 100, receivedBytes: 200 };
  // Four lists and that of the keepers: one is where it is to be, one moves, two wait, and one moves back to where it is.
  const ring = Hashring.of(testNodes('a'), { partitions: 1, replicas: 1, hashFunc: md5HashFunc });
  const [here, there] = [
    ['a', 'b'],
    ['a', 'c'],
  ] as const;
  const membership = {
    configuration: {
      ...configurationOf(ring, testNodes('a')),
      epoch: 29,
      members: [testNode('a'), { ...testNode('b'), isLeaving: true as const }, testNode('c')],
      lists: [here, here, here, here, here],
      target: [here, there, there, here, there],
      moving: [
        { place: 1, since: 28, also: [] },
        { place: 3, since: 29, also: [] },
      ],
    },
    candidates: testNodes('d', 'e'),
    progress: { ...NO_PROGRESS, whole: { ...NO_PROGRESS.whole, bytesCopied: 30, bytesTotal: 70 } },
  };

  beforeEach(() => {
    const dkv = { metrics: () => figures, cluster: () => nodes } as unknown as Dkv;
    registerNodeGauges(registry, {
      ...NODE,
      dkv,
      remote: { metrics: () => traffic },
      transitions,
      membership,
    });
  });

  it.each([
    'dkv_up 1',
    'dkv_ready 1',
    'dkv_keys{namespace="carts"} 11',
    'dkv_data_bytes{namespace="carts"} 29',
    'dkv_tombstones 12',
    'dkv_bytes_to_copy 40',
    'dkv_transferred_bytes_total{direction="out"} 31',
    'dkv_transferred_bytes_total{direction="in"} 32',
    'dkv_storage_bytes 13',
    'dkv_hints_pending_bytes 14',
    'dkv_partitions_under_replicated 15',
    'dkv_cache_bytes 18',
    'dkv_cache_hits_total 16',
    'dkv_cache_misses_total 17',
    'dkv_log_bytes 19',
    'dkv_dirty_bytes 20',
    'dkv_corrupt_records_total 21',
    'dkv_groups_without_quorum 22',
    'dkv_groups_led 23',
    'dkv_members{state="up"} 2',
    'dkv_members{state="suspect"} 0',
    'dkv_members{state="down"} 1',
    'dkv_partitions_owned{role="holder"} 5',
    'dkv_partitions_owned{role="replica"} 6',
    'dkv_peer_bytes_total{direction="out"} 100',
    'dkv_peer_bytes_total{direction="in"} 200',
    `dkv_build_info{engine="rocksdb",node="a",version="1.2.3",node_version="${process.versions.node}"} 1`,
    'dkv_term_changes_total 24',
    'dkv_apply_lag_entries 25',
    'dkv_voters_missing{peer="c"} 26',
    'dkv_checkpoint_age_seconds 27.5',
    'dkv_peer_up{peer="b"} 1',
    'dkv_peer_up{peer="c"} 0',
    'dkv_peer_refusals_total{peer="b",reason="key"} 28',
    'dkv_cluster_epoch 29',
    'dkv_members_leaving 1',
    'dkv_candidates 2',
    'dkv_partitions_moving 2',
    'dkv_partitions_to_move 4',
  ])('%s', async (line) => {
    expect(await scraped(line)).toEqual([line]);
  });

  it('is as it is then, however often it is asked for', async () => {
    await registry.metrics();
    figures.ready = false;
    traffic.sentBytes = 150;
    figures.cacheHits = 160;
    expect(await scraped('dkv_ready')).toEqual(['dkv_ready 0']);
    expect(await scraped('dkv_peer_bytes_total{direction="out"}')).toEqual([
      'dkv_peer_bytes_total{direction="out"} 150',
    ]);
    expect(await scraped('dkv_cache_hits_total')).toEqual(['dkv_cache_hits_total 160']);
  });

  it('is nothing of a cache where the repository has none', async () => {
    const uncached = { ...figures, cacheHits: undefined, cacheMisses: undefined, cacheBytes: undefined };
    const dkv = { metrics: () => uncached, cluster: () => nodes } as unknown as Dkv;
    registry = new Registry();
    registerNodeGauges(registry, {
      ...NODE,
      dkv,
      remote: { metrics: () => traffic },
      transitions,
      membership,
    });
    expect(await scraped('dkv_cache_')).toEqual([
      'dkv_cache_bytes 0',
      'dkv_cache_hits_total 0',
      'dkv_cache_misses_total 0',
    ]);
  });
});

it('what was counted of a node that went is shown no more, and begins at 0 should it come back', async () => {
  const shown = async () => [
    ...(await scraped('dkv_peer_rpc_duration_seconds_count')),
    ...(await scraped('dkv_clock_skew_seconds')),
  ];
  for (const peer of ['b', 'c']) {
    telemetry.peerCall(peer, 'get', 0.5);
    telemetry.peerCall(peer, 'getTree', 0.5);
    telemetry.clockSkew(peer, 1);
  }
  telemetry.peersChanged(['c', 'd']);
  expect(await shown()).toEqual([
    'dkv_peer_rpc_duration_seconds_count{peer="c",method="get"} 1',
    'dkv_peer_rpc_duration_seconds_count{peer="c",method="getTree"} 1',
    'dkv_clock_skew_seconds{peer="c"} 1',
  ]);
  telemetry.peersChanged([]);
  expect(await shown()).toEqual([]);
  telemetry.peerCall('b', 'get', 0.5);
  expect(await shown()).toEqual(['dkv_peer_rpc_duration_seconds_count{peer="b",method="get"} 1']);
});

describe('the metrics', () => {
  const all = async () => {
    registerNodeGauges(registry, NODE as NodeFigures);
    // Asked one by one: what is read on demand has nothing to read here.
    return registry.getMetricsAsArray() as unknown as {
      name: string;
      help: string;
      type: string;
      labelNames: string[];
    }[];
  };

  it('are those of the catalog, all of them and no other, with its labels', async () => {
    const registered = (await all()).map(({ name, type, labelNames }) => [
      name,
      { type, labels: labelNames },
    ]);
    const catalog = Object.entries(METRICS).map(([name, { type, labels }]) => [name, { type, labels }]);
    expect(Object.fromEntries(registered)).toEqual(Object.fromEntries(catalog));
  });

  it('begin with the library, end with the unit, and counters with total', async () => {
    for (const { name, type } of await all()) {
      expect(name).toMatch(/^dkv_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(/_(ms|milliseconds|kb|megabytes|count)(_|$)/.test(name), name).toBe(false);
    }
  });

  it('come with a sentence of help and never with a key for a label', async () => {
    for (const { name, help, labelNames } of await all()) {
      expect(help, name).toMatch(/^[A-Z].{10,}[^.]$/);
      expect(
        labelNames.filter((label) => /key|value|error|message/.test(label)),
        name,
      ).toEqual([]);
    }
  });
});
