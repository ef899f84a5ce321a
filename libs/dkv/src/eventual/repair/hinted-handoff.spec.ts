/** Hints: kept within bounds, handed over when the node answers again, and never dropped too early. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { type CapturedTelemetry, captureTelemetry } from '../../../testing/captured-telemetry.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { microtasks } from '../../../testing/microtasks.js';
import { testNodes } from '../../../testing/test-nodes.js';
import { partitionWhere, testRing } from '../../../testing/test-ring.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { DkvError, type DkvErrorCode } from '../../dkv.errors.js';
import { nodeRepo } from '../../../testing/local-kv/node-repo.js';
import { type PeerProtocol } from '../../model/peer-protocol.js';
import { type KvRecord, stampRecord } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { type Hint, type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { HintedHandoff } from './hinted-handoff.js';
import { RateLimit } from '../../cluster/rate-limit.js';

type Ask = PeerProtocol['addOrUpdate']['ask'];
type Answer = PeerProtocol['addOrUpdate']['answer'];

const NODES = testNodes('a', 'b', 'c', 'd');
const ring = testRing(NODES);
const PARTITION = partitionWhere(ring, (list) => list.join() === 'a,b,c');
const taken = ({ record }: Ask): Answer => ({ version: record.version, newer: undefined });

let clock: ManualClock;
let local: LocalKvRepo;
let view: ClusterView;
let log: CapturedLog;
let telemetry: CapturedTelemetry;
let hints: HintedHandoff;
/** What was sent: node, key and version counter. */
let sent: string[];
/** What the nodes do with what they are sent. */
let serve: (nodeId: string, ask: Ask) => Answer | Promise<Answer>;
/** What came back newer and was kept. */
let joined: KvRecord[];

beforeEach(async () => {
  clock = new ManualClock();
  log = new CapturedLog();
  telemetry = captureTelemetry();
  local = nodeRepo({ storage: 'memory', dataDir: '', durability: 'wal', logger: log });
  await local.open({ nodeId: 'a', partitions: ring.partitions, hashFunc: 'md5' });
  view = ClusterView.of('a', ring, NODES);
  ['b', 'c', 'd'].forEach((nodeId) => view.setState(nodeId, 'up'));
  sent = [];
  joined = [];
  serve = (_, ask) => taken(ask);
  hints = handoff();
  hints.start();
});

function handoff({ hintBytesMax = 10_000, bytesPerSecond = 1_000_000 } = {}): HintedHandoff {
  const limits = { hintBytesMax, peerTimeoutMs: 1_000 };
  const peers = {
    call: async (nodeId: string, _kind: string, ask: Ask) => {
      sent.push(`${nodeId} ${ask.record.key} ${ask.record.version.slice(13, 17)}`);
      return serve(nodeId, ask);
    },
  };
  const context = { view, peers, local, clock, logger: log, telemetry, limits } as unknown as CoreContext;
  const join = async (_partition: number, record: KvRecord) => {
    joined.push(record);
    return record;
  };
  return new HintedHandoff(context, new RateLimit(bytesPerSecond, clock), { join });
}

const hintFor = (nodeId: string, key: string, partition = PARTITION): Hint => ({
  nodeId,
  partition,
  namespace: 'default',
  key,
});

function recordOf(key: string, counter: number): KvRecord {
  const version = formatVersion({ physicalMs: 1, counter, nodeId: 'a', boot: 1 });
  return stampRecord({
    namespace: 'default',
    key,
    version,
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.from('v'),
  });
}

/** Node a writes the key, and node b misses it. */
async function miss(key: string, counter = 0): Promise<void> {
  await local.update({ partition: PARTITION, namespace: 'default', key }, () => recordOf(key, counter));
  await hints.add(hintFor('b', key));
}

const pending = async (nodeId = 'b') => (await local.getHints(nodeId, 1_000)).map(({ key }) => key);

describe('a hint', () => {
  it('is kept for its node', async () => {
    await miss('k');
    expect(await pending('b')).toEqual(['k']);
    expect(await pending('c')).toEqual([]);
  });

  it('is refused and counted once the bound is reached: the marks take no more room', async () => {
    hints = handoff({ hintBytesMax: 300 });
    for (let number = 0; number < 100; number++) {
      await miss(`k${number}`);
    }
    const kept = (await pending()).length;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(20);
    const longestBytes = 300;
    expect(local.hintBytes).toBeLessThanOrEqual(300 + longestBytes);
    expect(telemetry.events.filter((event) => event === 'hintOverflow')).toHaveLength(100 - kept);
  });

  it('that the store does not take is counted and logged, and the write that left it goes on', async () => {
    await local.close();
    await expect(hints.add(hintFor('b', 'k'))).resolves.toBeUndefined();
    expect(telemetry.events).toEqual(['hintOverflow']);
    expect(log.warnings).toHaveLength(1);
    expect(log.warnings[0]).toContain('node b');
  });
});

describe('a replay', () => {
  it('sends what the node missed, and forgets it', async () => {
    await miss('k1', 1);
    await miss('k2', 2);
    await hints.replay('b');
    expect(sent.sort()).toEqual(['b k1 0001', 'b k2 0002']);
    expect(await pending()).toEqual([]);
    expect(local.hintBytes).toBe(0);
  });

  it('sends a key that was missed ten times once, as it is now', async () => {
    for (let counter = 0; counter < 10; counter++) {
      await miss('k', counter);
    }
    await hints.replay('b');
    expect(sent).toEqual(['b k 0009']);
  });

  it('sends all of many, page by page', async () => {
    for (let number = 0; number < 300; number++) {
      await miss(`k${number}`);
    }
    await hints.replay('b');
    expect(new Set(sent).size).toBe(300);
    expect(await pending()).toEqual([]);
  });

  it('sends nothing to another node', async () => {
    await miss('k');
    await hints.replay('c');
    expect(sent).toEqual([]);
    expect(await pending()).toEqual(['k']);
  });

  it.each([
    ['of which there is no record any more', hintFor('b', 'gone')],
    ['that the node does not hold', hintFor('d', 'k')],
  ])('sends no key %s, and forgets it', async (_, hint) => {
    await miss('k');
    await hints.add(hint);
    await hints.replay(hint.nodeId);
    expect(sent.filter((each) => !each.startsWith('b k '))).toEqual([]);
    expect(await pending(hint.nodeId)).toEqual([]);
  });

  it('keeps what the node answers to be newer', async () => {
    await miss('k', 1);
    const newer = recordOf('k', 7);
    serve = () => ({ version: newer.version, newer });
    await hints.replay('b');
    expect(joined).toEqual([newer]);
    expect(await pending()).toEqual([]);
  });

  it('leaves the mark of a key that is missed again meanwhile, and sends the newer record next', async () => {
    await miss('k', 1);
    serve = async (_, ask) => {
      await miss('k', 2);
      return taken(ask);
    };
    await hints.replay('b');
    expect(sent).toEqual(['b k 0001']);
    expect(await pending()).toEqual(['k']);
    serve = (_, ask) => taken(ask);
    await hints.replay('b');
    expect(sent).toEqual(['b k 0001', 'b k 0002']);
    expect(await pending()).toEqual([]);
  });

  it('goes on once at a time for a node', async () => {
    await miss('k');
    let release: () => void = () => undefined;
    serve = async (_, ask) => {
      await new Promise<void>((resolve) => (release = resolve));
      return taken(ask);
    };
    const first = hints.replay('b');
    await microtasks();
    await hints.replay('b');
    expect(sent).toEqual(['b k 0000']);
    release();
    await first;
    expect(await pending()).toEqual([]);
  });
});

describe('trouble', () => {
  beforeEach(async () => {
    for (const key of ['k1', 'k2', 'k3']) {
      await miss(key);
    }
  });

  it.each<DkvErrorCode>([
    'DKV_PEER_UNREACHABLE',
    'DKV_PEER_DISCONNECTED',
    'DKV_OVERLOADED',
    'DKV_NOT_READY',
    'DKV_READ_ONLY',
    'DKV_CONFIGURATION_MISMATCH',
  ])('with the node ends the replay, and every hint stays: %s', async (code) => {
    serve = () => {
      throw new DkvError(code, 'no');
    };
    await hints.replay('b');
    expect(sent).toHaveLength(1);
    expect((await pending()).sort()).toEqual(['k1', 'k2', 'k3']);
  });

  it.each<DkvErrorCode>(['DKV_CORRUPT_RECORD', 'DKV_VALUE_TOO_LARGE'])(
    'with one record keeps no other from the node, and is logged: %s',
    async (code) => {
      serve = (_, ask) => {
        if (ask.record.key === 'k1') {
          throw new DkvError(code, 'not this one');
        }
        return taken(ask);
      };
      await hints.replay('b');
      expect(sent).toHaveLength(3);
      expect(await pending()).toEqual([]);
      expect(log.warnings).toHaveLength(1);
      expect(log.warnings[0]).toContain('not this one');
    },
  );

  it.each(['down', 'suspect'] as const)('that makes the node %s stops it before the next', async (state) => {
    serve = (_, ask) => {
      view.setState('b', state);
      return taken(ask);
    };
    await hints.replay('b');
    expect(sent).toHaveLength(1);
    expect(await pending()).toHaveLength(2);
  });

  it('is not sought: nothing is sent to a node that is not up', async () => {
    view.setState('b', 'down');
    await hints.replay('b');
    expect(sent).toEqual([]);
  });
});

describe('replays happen', () => {
  it('as soon as a node is up again', async () => {
    view.setState('b', 'down');
    await miss('k');
    view.setState('b', 'suspect');
    await microtasks();
    expect(sent).toEqual([]);
    view.setState('b', 'up');
    await microtasks();
    expect(sent).toEqual(['b k 0000']);
  });

  it('every second for nodes that are up all the while', async () => {
    await miss('k');
    clock.advance(999);
    await microtasks();
    expect(sent).toEqual([]);
    clock.advance(1);
    await microtasks();
    expect(sent).toEqual(['b k 0000']);
    await miss('k', 1);
    clock.advance(1_000);
    await microtasks();
    expect(sent).toEqual(['b k 0000', 'b k 0001']);
  });

  it('no more once stopped', async () => {
    await miss('k');
    hints.stop();
    clock.advance(10_000);
    view.setState('b', 'down');
    view.setState('b', 'up');
    await microtasks();
    expect(sent).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('no faster than repair may', async () => {
    hints.stop();
    hints = handoff({ bytesPerSecond: 402 });
    hints.start();
    for (let number = 0; number < 6; number++) {
      await miss(`k${number}`);
    }
    const replayed = hints.replay('b');
    await microtasks();
    expect(sent).toHaveLength(2);
    for (let second = 1; second <= 2; second++) {
      clock.advance(500);
      await microtasks();
      clock.advance(500);
      await microtasks();
      expect(sent.length).toBeLessThanOrEqual(2 + 2 * second);
    }
    for (let step = 0; step < 20; step++) {
      clock.advance(500);
      await microtasks();
    }
    await replayed;
    expect(new Set(sent).size).toBe(6);
  });
});

describe('a member that goes', () => {
  it('is waited for no more: its hints are dropped, those of others stay', async () => {
    for (const nodeId of ['b', 'c']) {
      view.setState(nodeId, 'down');
      for (let number = 0; number < 300; number++) {
        await local.addHint({ nodeId, partition: PARTITION, namespace: 'default', key: `k${number}` });
      }
    }
    const members = NODES.filter(({ nodeId }) => nodeId !== 'c');
    view.adopt({ ...view.agreed, epoch: 2, members });
    for (let turn = 0; turn < 20; turn++) {
      await microtasks();
    }
    expect(await local.getHints('c', 1_000)).toEqual([]);
    expect(await local.getHints('b', 1_000)).toHaveLength(300);
    expect(log.warnings).toEqual([]);
  });
});
