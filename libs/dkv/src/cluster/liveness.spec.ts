/** Heartbeats: how soon a silent peer is suspect and down, and what must not make it so. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { DkvError, type DkvErrorCode } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../model/peer-protocol.js';
import { type RemoteKvRepo, type SendOptions } from '../ports/remote-kv-repo.js';
import { NO_TELEMETRY } from '../ports/telemetry.js';
import { ClusterView } from './cluster-view.js';
import { EnvelopeGuard } from './envelope-guard.js';
import { Liveness } from './liveness.js';
import { PeerClient } from './peer-client.js';

const INTERVAL_MS = 500;
const TIMEOUT_MS = 1_000;

/** What a peer does with a request: answers as it should or not, keeps silent, or fails with a code. */
type Behaviour = 'answers' | 'is of another cluster' | 'is ahead' | 'is silent' | DkvErrorCode;

class FakeRemote implements RemoteKvRepo {
  readonly behaviour = new Map<string, Behaviour>();
  readonly sent: string[] = [];

  constructor(private readonly clock: ManualClock) {}

  async send<K extends PeerRequestKind>(
    to: ClusterNode,
    { kind, configuration, sentAtMs }: PeerRequest<K>,
    { timeoutMs }: SendOptions,
  ): Promise<PeerReply<K>> {
    this.sent.push(`${to.nodeId} ${kind}`);
    const answer = { ready: true, caughtUp: true } as unknown as PeerReply<K>['answer'];
    const reply = { kind, answer, from: to.nodeId, sentAtMs, configuration };
    const behaviour = this.behaviour.get(to.nodeId) ?? 'answers';
    switch (behaviour) {
      case 'answers':
        return reply;
      case 'is of another cluster':
        return { ...reply, configuration: 'another' };
      case 'is ahead':
        return { ...reply, sentAtMs: sentAtMs + 60_000 };
      case 'is silent':
        await new Promise<void>((resolve) => this.clock.schedule(timeoutMs, resolve));
        throw new DkvError('DKV_PEER_DISCONNECTED', 'no answer in time');
      default:
        throw new DkvError(behaviour, 'no');
    }
  }

  post(): boolean {
    return false;
  }

  onDisconnect(): void {}

  async close(): Promise<void> {}

  metrics() {
    return { sentBytes: 0, receivedBytes: 0 };
  }
}

const NODES = testNodes('a', 'b', 'c');

let clock: ManualClock;
let view: ClusterView;
let remote: FakeRemote;
let peers: PeerClient;
let liveness: Liveness;
let told: string[];

beforeEach(() => {
  clock = new ManualClock();
  view = new ClusterView('a', testRing(NODES), NODES);
  remote = new FakeRemote(clock);
  const guard = new EnvelopeGuard(view, 500, clock, new CapturedLog(), NO_TELEMETRY);
  peers = new PeerClient(view, remote, guard, clock, NO_TELEMETRY);
  const options = { heartbeatIntervalMs: INTERVAL_MS, heartbeatTimeoutMs: TIMEOUT_MS };
  // In the middle of the jitter: beats are exactly an interval apart.
  liveness = new Liveness(view, peers, clock, { next: () => 0.5 }, options);
  told = [];
  view.onState((nodeId, state) => told.push(`${nodeId} ${state}`));
});

/** Lets so much time pass, step by step, as the code under test needs it. */
async function pass(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 50) {
    await microtasks();
    clock.advance(Math.min(50, ms - passedMs));
  }
  await microtasks();
}

/** So many heartbeats of node b that fail by `code`. */
async function failBeats(count: number, code: Behaviour): Promise<void> {
  remote.behaviour.set('b', code);
  await pass(count * INTERVAL_MS);
}

describe('the start', () => {
  it('asks every peer once and is over when each answered or failed', async () => {
    remote.behaviour.set('c', 'DKV_PEER_UNREACHABLE');
    await liveness.start();
    expect(remote.sent).toEqual(['b ping', 'c ping']);
    expect(told).toEqual(['b up']);
    expect(view.stateOf('c')).toBe('suspect');
  });

  it('waits for a silent peer no longer than a heartbeat may take', async () => {
    remote.behaviour.set('c', 'is silent');
    let started = false;
    void liveness.start().then(() => (started = true));
    await pass(TIMEOUT_MS - 50);
    expect(started).toBe(false);
    await pass(50);
    expect(started).toBe(true);
  });
});

describe('a peer', () => {
  beforeEach(() => liveness.start());

  it('that answers is asked once an interval and stays up', async () => {
    remote.sent.length = 0;
    await pass(10 * INTERVAL_MS);
    expect(remote.sent.filter((each) => each === 'b ping')).toHaveLength(10);
    expect(told).toEqual(['b up', 'c up']);
  });

  it.each<[Behaviour, number]>([
    ['DKV_PEER_UNREACHABLE', 2],
    ['DKV_PEER_DISCONNECTED', 3],
    ['DKV_OVERLOADED', 3],
    ['DKV_FORBIDDEN', 3],
    ['DKV_NOT_READY', 3],
    ['is of another cluster', 3],
  ])('whose heartbeats end with %s is suspect at once and down after %i', async (behaviour, beats) => {
    told.length = 0;
    await failBeats(1, behaviour);
    expect(told).toEqual(['b suspect']);
    await failBeats(beats - 2, behaviour);
    expect(told).toEqual(['b suspect']);
    await failBeats(1, behaviour);
    expect(told).toEqual(['b suspect', 'b down']);
  });

  it('that is silent is suspect after one heartbeat and down after three', async () => {
    told.length = 0;
    remote.behaviour.set('b', 'is silent');
    await pass(INTERVAL_MS + TIMEOUT_MS);
    expect(told).toEqual(['b suspect']);
    await pass(2 * (INTERVAL_MS + TIMEOUT_MS) - 50);
    expect(told).toEqual(['b suspect']);
    await pass(50);
    expect(told).toEqual(['b suspect', 'b down']);
  });

  it('that is down stays down while it fails, and is asked on', async () => {
    await failBeats(3, 'DKV_PEER_UNREACHABLE');
    told.length = 0;
    remote.sent.length = 0;
    await failBeats(5, 'DKV_PEER_UNREACHABLE');
    expect(told).toEqual([]);
    expect(remote.sent.filter((each) => each === 'b ping')).toHaveLength(5);
  });

  it('that is down is up again with the first answer, and has all its chances again', async () => {
    await failBeats(3, 'DKV_PEER_UNREACHABLE');
    told.length = 0;
    await failBeats(1, 'answers');
    expect(told).toEqual(['b up']);
    await failBeats(2, 'DKV_PEER_DISCONNECTED');
    expect(told).toEqual(['b up', 'b suspect']);
  });

  it('that fails now and then is never down', async () => {
    told.length = 0;
    for (let round = 0; round < 5; round++) {
      await failBeats(2, 'DKV_PEER_DISCONNECTED');
      await failBeats(1, 'answers');
    }
    expect(told).not.toContain('b down');
    expect(view.stateOf('b')).toBe('up');
  });

  it('does not make another one suspect', async () => {
    await failBeats(5, 'DKV_PEER_UNREACHABLE');
    expect(view.stateOf('c')).toBe('up');
  });
});

describe('requests of callers', () => {
  const get = (timeoutMs: number) =>
    peers.call('b', 'get', { id: { partition: 0, namespace: 'n', key: 'k' } }, { timeoutMs });

  beforeEach(() => liveness.start());

  it('with a short time-out do not mark a healthy peer, however many', async () => {
    told.length = 0;
    remote.behaviour.set('b', 'is silent');
    for (let number = 0; number < 20; number++) {
      const answer = rejected(get(1));
      await microtasks();
      clock.advance(1);
      expect((await answer).code).toBe('DKV_PEER_DISCONNECTED');
    }
    remote.behaviour.set('b', 'answers');
    await pass(5 * INTERVAL_MS);
    expect(told).toEqual([]);
  });

  it('that are answered count as a sign of life', async () => {
    await failBeats(3, 'DKV_PEER_UNREACHABLE');
    told.length = 0;
    remote.behaviour.set('b', 'answers');
    await get(100);
    expect(told).toEqual(['b up']);
  });

  it('that are answered while a heartbeat is lost outweigh it', async () => {
    told.length = 0;
    for (let round = 0; round < 5; round++) {
      remote.behaviour.set('b', 'is silent');
      await pass(INTERVAL_MS + TIMEOUT_MS - 100);
      remote.behaviour.set('b', 'answers');
      await get(100);
      await pass(100);
    }
    expect(told).toEqual([]);
  });
});

it('blames nobody for what this node slept through: a time-out noticed late says nothing of the peer', async () => {
  await liveness.start();
  told.length = 0;
  remote.behaviour.set('b', 'is silent');
  for (let sleeps = 0; sleeps < 5; sleeps++) {
    clock.advance(10 * TIMEOUT_MS);
    await microtasks();
  }
  expect(remote.sent.filter((each) => each === 'b ping').length).toBeGreaterThan(4);
  expect(told).toEqual([]);
});

describe('a clock that most peers disagree with', () => {
  const all = async (behaviour: Behaviour) => {
    ['b', 'c'].forEach((nodeId) => remote.behaviour.set(nodeId, behaviour));
    await pass(INTERVAL_MS);
    return view.clockSuspect;
  };

  it.each<[Behaviour, boolean]>([
    ['DKV_CLOCK_SKEW', true],
    ['is ahead', true],
    ['is of another cluster', false],
    ['DKV_PEER_UNREACHABLE', false],
    ['DKV_PEER_DISCONNECTED', false],
  ])('is noticed by what becomes of heartbeats, here %s: %s', async (behaviour, suspect) => {
    await liveness.start();
    expect(await all('answers')).toBe(false);
    expect(await all(behaviour)).toBe(suspect);
    expect(await all('answers')).toBe(false);
  });
});

describe('the heartbeats', () => {
  it('end with the node, those under way included', async () => {
    await liveness.start();
    remote.behaviour.set('b', 'is silent');
    await pass(INTERVAL_MS);
    liveness.stop();
    remote.sent.length = 0;
    await pass(10 * INTERVAL_MS);
    expect(remote.sent).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    [0, 400],
    [0.999_999, 600],
  ])('are spread: with %f of chance the next comes after about %i ms', async (chance, afterMs) => {
    const options = { heartbeatIntervalMs: INTERVAL_MS, heartbeatTimeoutMs: TIMEOUT_MS };
    liveness = new Liveness(view, peers, clock, { next: () => chance }, options);
    await liveness.start();
    remote.sent.length = 0;
    await pass(afterMs - 50);
    expect(remote.sent).toEqual([]);
    await pass(50);
    expect(remote.sent).toEqual(['b ping', 'c ping']);
  });
});
