/** One request to one peer: what is sent, and what is accepted as its answer. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { CapturedLog } from '../../testing/captured-log.js';
import { type CapturedTelemetry, captureTelemetry } from '../../testing/captured-telemetry.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { DkvError, type DkvErrorCode } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import {
  type PeerEnvelope,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
} from '../model/peer-protocol.js';
import { type RemoteKvRepo, type SendOptions } from '../ports/remote-kv-repo.js';
import { ClusterView } from './cluster-view.js';
import { EnvelopeGuard } from './envelope-guard.js';
import { PeerClient } from './peer-client.js';
import { PeerTransitions } from './peer-transitions.js';

const NODES = testNodes('a', 'b', 'c');

/** Node b, as the transport sees it: answers every request, or fails. */
class FakeRemote implements RemoteKvRepo {
  readonly sent: { to: ClusterNode; request: PeerRequest; options: SendOptions }[] = [];
  failure: DkvError | undefined;
  /** What differs from a good answer's envelope. */
  envelope: Partial<PeerEnvelope> = {};

  async send<K extends PeerRequestKind>(
    to: ClusterNode,
    request: PeerRequest<K>,
    options: SendOptions,
  ): Promise<PeerReply<K>> {
    this.sent.push({ to, request, options });
    if (this.failure) {
      throw this.failure;
    }
    const answer = { record: undefined, roots: [] } as unknown as PeerReply<K>['answer'];
    const { kind, configuration, sentAtMs } = request;
    return { kind, answer, configuration, sentAtMs, from: to.nodeId, ...this.envelope };
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

let clock: ManualClock;
let view: ClusterView;
let remote: FakeRemote;
let telemetry: CapturedTelemetry;
let log: CapturedLog;
let client: PeerClient;

beforeEach(() => {
  clock = new ManualClock();
  view = ClusterView.of('a', testRing(NODES), NODES);
  remote = new FakeRemote();
  telemetry = captureTelemetry();
  log = new CapturedLog();
  const transitions = new PeerTransitions(view, clock, log);
  client = new PeerClient(
    view,
    remote,
    new EnvelopeGuard(view, 500, clock, transitions, telemetry),
    clock,
    telemetry,
    transitions,
  );
});

const ID = { partition: 1, namespace: 'default', key: 'k' };
const get = () => client.call('b', 'get', { id: ID }, { timeoutMs: 70 });
const getRoots = () => client.call('b', 'getRoots', { partitions: [1] }, { timeoutMs: 70 });

describe('a request', () => {
  it("goes to where the peer is now, in this node's envelope, with the time and the wish of the caller", async () => {
    view.relocate([testNode('b', { host: 'moved' })]);
    const { signal } = new AbortController();
    await client.call('b', 'get', { id: ID }, { timeoutMs: 70, signal });
    expect(remote.sent).toEqual([
      {
        to: testNode('b', { host: 'moved' }),
        request: {
          kind: 'get',
          ask: { id: ID },
          from: 'a',
          configuration: view.configuration,
          sentAtMs: clock.now(),
        },
        options: { timeoutMs: 70, signal },
      },
    ]);
  });

  it('gives the answer, and counts it', async () => {
    await expect(get()).resolves.toMatchObject({ record: undefined });
    expect(telemetry.events).toContain('peerCall b get');
  });

  it('to a node that is no member is sent nowhere', async () => {
    expect(await rejected(client.call('x', 'get', { id: ID }, { timeoutMs: 70 }))).toMatchObject({
      code: 'DKV_PEER_UNREACHABLE',
    });
    expect(remote.sent).toEqual([]);
  });
});

describe('an answer that is refused', () => {
  it.each<[string, Partial<PeerEnvelope>, DkvErrorCode | undefined]>([
    ['of another configuration', { configuration: 'another' }, 'DKV_CONFIGURATION_MISMATCH'],
    ['from a clock ahead', { sentAtMs: 1_800_000_000_000 }, 'DKV_CLOCK_SKEW'],
    ['from another member than the one that was asked', { from: 'c' }, undefined],
    ['from a stranger', { from: 'stranger' }, undefined],
    ['from this node itself', { from: 'a' }, undefined],
  ])('counts as none, since the request may have been carried out: %s', async (_, envelope, cause) => {
    remote.envelope = envelope;
    const error = await rejected(get());
    expect(error.code).toBe('DKV_PEER_DISCONNECTED');
    expect(error.message).toContain('node b');
    expect((error.cause as DkvError | undefined)?.code).toBe(cause);
  });
});

it.each<DkvErrorCode>(['DKV_PEER_UNREACHABLE', 'DKV_PEER_DISCONNECTED', 'DKV_OVERLOADED', 'DKV_NOT_READY'])(
  'hands %s on',
  async (code) => {
    remote.failure = new DkvError(code, 'no');
    expect(await rejected(get())).toBe(remote.failure);
    expect(await rejected(getRoots())).toBe(remote.failure);
  },
);

it('measures every exchange, failed ones too', async () => {
  remote.failure = new DkvError('DKV_PEER_UNREACHABLE', 'no');
  await rejected(get());
  await rejected(getRoots());
  expect(telemetry.events).toEqual(['peerCall b get', 'peerCall b getRoots']);
});

it('asks guests, and nobody who is neither a member nor a guest; the telemetry hears who is there', async () => {
  view.welcome(testNode('x'));
  const ask = () => client.call('x', 'getRoots', { partitions: [1] }, { timeoutMs: 70 });
  await ask();
  expect(remote.sent.map(({ to }) => to.nodeId)).toEqual(['x']);
  view.dismiss('x');
  expect((await rejected(ask())).code).toBe('DKV_PEER_UNREACHABLE');
  expect(remote.sent).toHaveLength(1);
  const others = view.peers.map(({ nodeId }) => nodeId).join();
  expect(telemetry.events.filter((event) => event.startsWith('peersChanged'))).toEqual([
    `peersChanged ${others},x`,
    `peersChanged ${others}`,
  ]);
});
