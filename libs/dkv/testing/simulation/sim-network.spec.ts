import { beforeEach, describe, expect, it } from 'vitest';
import { DkvError } from '../../src/dkv.errors.js';
import { type ClusterNode } from '../../src/model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { stampRecord } from '../../src/model/record.js';
import { type PeerService } from '../../src/ports/controller.js';
import { type RemoteKvRepo } from '../../src/ports/remote-kv-repo.js';
import { Incarnation } from './incarnation.js';
import { copyMessage } from './message-copy.js';
import { type LinkFaults } from './sim-link.js';
import { SimNetwork, type ConnectionFaults } from './sim-network.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler, SimulationError } from './sim-scheduler.js';
import { SimTrace } from './trace.js';

const node = (nodeId: string): ClusterNode => ({ nodeId, weight: 1, zone: '', host: nodeId, port: 7000 });
const FIXED: Partial<LinkFaults> = { delay: { minMs: 1, meanMs: 1, maxMs: 1 } };
const question = (sentAtMs = 0): PeerRequest<'getRoots'> => ({
  kind: 'getRoots',
  from: 'a',
  configuration: 'c',
  sentAtMs,
  ask: { partitions: [1] },
});

/** Answers with what it was sent, after `workMs`, and remembers them. */
class EchoService implements PeerService {
  readonly served: PeerRequest[] = [];
  readonly received: string[] = [];

  constructor(
    private readonly self: Incarnation,
    private readonly work: (request: PeerRequest) => Promise<void> = async () => undefined,
  ) {}

  async serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    this.served.push(request);
    await this.work(request);
    const answer = { roots: ['c0ffee'] };
    return { ...request, from: this.self.nodeId, answer };
  }

  receive(from: string, frame: Uint8Array): void {
    this.received.push(`${from} ${frame.join(' ')}`);
    frame.fill(0);
  }
}

class World {
  readonly scheduler = new SimScheduler();
  readonly trace = new SimTrace({ linesMax: 200 });
  readonly network: SimNetwork;
  readonly a = new Incarnation('a', 1);
  readonly b = new Incarnation('b', 1);
  readonly remote: RemoteKvRepo;

  constructor(
    faults: Partial<LinkFaults> = FIXED,
    connections: Partial<ConnectionFaults> = {},
    seed: number | string = 1,
  ) {
    const { scheduler, trace } = this;
    this.network = new SimNetwork({ scheduler, trace, random: new SimRandom(seed), faults, connections });
    this.remote = this.network.remote(this.a);
  }

  serve(self = this.b, work?: (request: PeerRequest) => Promise<void>): EchoService {
    const service = new EchoService(self, work);
    this.network.listen(self, service);
    return service;
  }

  /** What became of a send, and when. */
  async outcome(sent: Promise<unknown>): Promise<string> {
    const how = sent.then(
      () => `ok@${this.scheduler.nowMs}`,
      ({ code }: DkvError) => `${code}@${this.scheduler.nowMs}`,
    );
    return this.scheduler.settle(how);
  }

  ask(timeoutMs = 100, signal?: AbortSignal): Promise<PeerReply<'getRoots'>> {
    return this.remote.send(node('b'), question(this.scheduler.nowMs), { timeoutMs, signal });
  }
}

describe('SimNetwork', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it('carries a request there and its answer back, each over its link', async () => {
    const service = world.serve();
    const reply = await world.scheduler.settle(world.ask());
    expect(reply).toMatchObject({ from: 'b', answer: { roots: ['c0ffee'] } });
    expect(world.scheduler.nowMs).toBe(2);
    expect(service.served).toHaveLength(1);
    expect(world.remote.metrics().sentBytes).toBeGreaterThan(0);
    expect(world.remote.metrics().receivedBytes).toBeGreaterThan(0);
    // Its time-out does not keep a run going.
    await world.scheduler.run();
    expect(world.scheduler.nowMs).toBe(2);
  });

  it('stops an incarnation that listens, not the one after it', async () => {
    const stop = world.network.listen(world.b, new EchoService(world.b));
    expect(() => world.network.listen(world.b.next(), new EchoService(world.b))).toThrow(TypeError);
    stop();
    const second = world.serve(world.b.next());
    stop();
    expect(await world.outcome(world.ask())).toBe('ok@2');
    expect(second.served).toHaveLength(1);
  });

  it('shares no memory: not with the request, not with the answer, not between duplicates', async () => {
    world.network.setFaults({ duplicateRate: 1 });
    const value = new Uint8Array([1, 2, 3]);
    const record = stampRecord({
      namespace: 'n',
      key: 'k',
      version: '000000000001-0000-a!00000001',
      tombstone: false,
      expiresAtMs: 0,
      value,
    });
    const seen: Uint8Array[] = [];
    const kept = new Uint8Array([9]);
    world.network.listen(world.b, {
      receive: () => undefined,
      serve: async <K extends PeerRequestKind>(request: PeerRequest<K>) => {
        seen.push((request as PeerRequest<'addOrUpdate'>).ask.record.value);
        const answer = { version: record.version, newer: { ...record, value: kept } };
        return { ...request, answer } as unknown as PeerReply<K>;
      },
    });
    const request: PeerRequest<'addOrUpdate'> = {
      ...question(),
      kind: 'addOrUpdate',
      ask: { partition: 0, record },
    };
    const sent = world.remote.send(node('b'), request, { timeoutMs: 100 });
    value.fill(0);
    const reply = await world.scheduler.settle(sent);
    kept.fill(0);
    await world.scheduler.run();
    expect(seen.map((bytes) => [...bytes])).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(seen[0]).not.toBe(seen[1]);
    expect([...reply.answer.newer!.value]).toEqual([9]);
  });

  it('refuses a connection where nobody listens: certainly not delivered, also not later', async () => {
    world = new World(FIXED, { refuseRate: 1 });
    expect(await world.outcome(world.ask())).toBe('DKV_PEER_UNREACHABLE@2');
    const service = world.serve();
    await world.scheduler.runFor(1000);
    expect(service.served).toHaveLength(0);
  });

  it('waits for the time-out where nobody listens and nobody refuses', async () => {
    world = new World(FIXED, { refuseRate: 0 });
    expect(await world.outcome(world.ask(30))).toBe('DKV_PEER_DISCONNECTED@30');
  });

  it.each<[string, (world: World) => void, number]>([
    ['a lost request', ({ network }) => (network.link('a', 'b').faults = { ...lossy(network, 'a', 'b') }), 0],
    ['a lost answer', ({ network }) => (network.link('b', 'a').faults = { ...lossy(network, 'b', 'a') }), 1],
    ['a cut there', ({ network }) => network.cut('a', 'b'), 0],
    ['a cut back', ({ network }) => network.cut('b', 'a'), 1],
    ['a clog there', ({ network }) => network.clog('a', 'b'), 0],
  ])('%s is a time-out: it may or may not have been carried out', async (_, fault, served) => {
    world = new World(FIXED, { connectFailureRate: 0 });
    const service = world.serve();
    fault(world);
    expect(await world.outcome(world.ask(30))).toBe('DKV_PEER_DISCONNECTED@30');
    expect(service.served).toHaveLength(served);
  });

  it('delivers late what was clogged, when it is healed, and loses what was cut', async () => {
    const service = world.serve();
    world.network.clog('a', 'b');
    await world.outcome(world.ask(30));
    world.network.heal(FIXED);
    await world.scheduler.run();
    expect(service.served).toHaveLength(1);

    void world.ask(30).catch(() => undefined);
    world.network.cut('a', 'b');
    await world.scheduler.runFor(40);
    void world.ask(30).catch(() => undefined);
    world.network.heal(FIXED);
    await world.scheduler.run();
    expect(service.served).toHaveLength(1);
    expect(await world.outcome(world.ask(30))).toMatch(/^ok/);
  });

  it('takes no notice of an answer that comes too late', async () => {
    world.serve();
    world.network.clog('b', 'a');
    expect(await world.outcome(world.ask(30))).toBe('DKV_PEER_DISCONNECTED@30');
    world.network.heal(FIXED);
    await world.scheduler.run();
    expect(world.trace.tail().at(-1)).toMatch(/arrive b>a/);
    expect(world.remote.metrics().receivedBytes).toBe(0);
  });

  it('may know that it could not connect over a cut link, and then nothing was sent', async () => {
    world = new World(FIXED, { connectFailureRate: 1 });
    const service = world.serve();
    world.network.partition(['a'], ['b', 'c']);
    expect(await world.outcome(world.ask(30))).toBe('DKV_PEER_UNREACHABLE@1');
    world.network.heal(FIXED);
    await world.scheduler.run();
    expect(service.served).toHaveLength(0);
  });

  it('hands a duplicated request over twice and answers once', async () => {
    world.network.setFaults({ duplicateRate: 1 });
    const service = world.serve();
    expect(await world.outcome(world.ask())).toBe('ok@2');
    await world.scheduler.run();
    expect(service.served).toHaveLength(2);
    expect(world.trace.tail().filter((line) => line.includes('arrive b>a'))).toHaveLength(1);
  });

  it('lets messages overtake each other', async () => {
    world = new World({ delay: { minMs: 1, meanMs: 10, maxMs: 100 } });
    const service = world.serve();
    const sent = Array.from({ length: 50 }, (_, at) =>
      world.remote.send(node('b'), question(at), { timeoutMs: 1000 }),
    );
    await world.scheduler.settle(Promise.all(sent));
    const order = service.served.map(({ sentAtMs }) => sentAtMs);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    expect([...order].sort((a, b) => a - b)).toEqual(sent.map((_, at) => at));
  });

  it('sends nothing when overloaded', async () => {
    world.network.setFaults({ overloadRate: 1 });
    const service = world.serve();
    expect(await world.outcome(world.ask())).toBe('DKV_OVERLOADED@1');
    await world.scheduler.run();
    expect(service.served).toHaveLength(0);
  });

  it("carries the peer's own errors with code and message, and no more", async () => {
    world.serve(world.b, async () => {
      throw new DkvError('DKV_CLOCK_SKEW', 'ahead', { cause: new Error('secret') });
    });
    const error = await world.scheduler.settle(world.ask().catch((caught: unknown) => caught));
    expect(error).toBeInstanceOf(DkvError);
    expect(error).toMatchObject({ code: 'DKV_CLOCK_SKEW', message: 'ahead' });
    expect(error).not.toHaveProperty('cause');
  });

  it.each<[string, (world: World) => void]>([
    [
      'throws what is no DkvError',
      (world) =>
        world.serve(world.b, async () => {
          throw new RangeError('a bug');
        }),
    ],
    [
      'answers with what cannot travel',
      (world) =>
        world.network.listen(world.b, {
          receive: () => undefined,
          serve: async () => ({ kind: 'getRoots', answer: new Map() }) as never,
        }),
    ],
  ])('fails the run when a service %s', async (_, serve) => {
    serve(world);
    void world.ask().catch(() => undefined);
    await expect(world.scheduler.run()).rejects.toThrow(SimulationError);
  });

  it('gives up at an abort, before and after sending', async () => {
    const controller = new AbortController();
    const service = world.serve();
    world.scheduler.after(1.5, () => controller.abort(new Error('enough')));
    expect(await world.outcome(world.ask(100, controller.signal))).toBe('DKV_ABORTED@1.5');
    expect(await world.outcome(world.ask(100, controller.signal))).toBe('DKV_ABORTED@1.5');
    await world.scheduler.run();
    expect(service.served).toHaveLength(1);
  });

  it('gives up what is under way at close, and sends nothing after', async () => {
    const service = world.serve(world.b, () => world.scheduler.sleep(50));
    const first = world.outcome(world.ask());
    world.scheduler.after(10, () => void world.remote.close());
    expect(await first).toBe('DKV_PEER_DISCONNECTED@10');
    expect(await world.outcome(world.ask())).toBe('DKV_NOT_READY@10');
    expect(service.served).toHaveLength(1);
  });

  it.each([
    [1, 'DKV_PEER_DISCONNECTED@11'],
    [0, 'DKV_PEER_DISCONNECTED@100'],
  ])('a target that dies before it answers is a disconnect (reset rate %i)', async (resetRate, expected) => {
    world = new World(FIXED, { resetRate });
    world.serve(world.b, () => world.scheduler.sleep(50));
    world.scheduler.after(10, () => world.b.kill());
    expect(await world.outcome(world.ask())).toBe(expected);
  });

  it('a message may arrive in the next run of its target, never in a dead one', async () => {
    const first = world.serve();
    world.network.clog('a', 'b');
    const outcome = world.outcome(world.ask(500));
    world.scheduler.after(5, () => world.b.kill());
    let second: EchoService | undefined;
    world.scheduler.after(20, () => {
      second = world.serve(world.b.next());
      world.network.heal(FIXED);
    });
    expect(await outcome).toMatch(/DISCONNECTED|^ok/);
    await world.scheduler.run();
    expect([first.served.length, second?.served.length]).toEqual([0, 1]);
  });

  it('a dead sender learns nothing and sends nothing, but what it had sent arrives', async () => {
    const service = world.serve();
    let acted = 0;
    const act = (): void => void acted++;
    void world.ask().then(act, act);
    world.a.kill();
    void world.ask().then(act, act);
    await world.scheduler.runFor(1000);
    expect([acted, service.served.length]).toEqual([0, 1]);
  });

  it('a dead target that works on does not answer', async () => {
    world = new World(FIXED, { resetRate: 0 });
    let finished = false;
    world.serve(world.b, async () => {
      await world.scheduler.sleep(20);
      finished = true;
    });
    world.scheduler.after(10, () => world.b.kill());
    expect(await world.outcome(world.ask())).toBe('DKV_PEER_DISCONNECTED@100');
    expect(finished).toBe(true);
  });

  it('carries copies of posted frames, in both lanes, to whoever listens', async () => {
    const service = world.serve();
    const frame = new Uint8Array([1, 2, 3]);
    expect(world.remote.post(node('b'), frame, 'live')).toBe(true);
    expect(world.remote.post(node('b'), frame, 'bulk')).toBe(true);
    frame.fill(9);
    await world.scheduler.run();
    expect(service.received).toEqual(['a 1 2 3', 'a 1 2 3']);
    expect(world.remote.metrics().sentBytes).toBe(6);
  });

  it.each([
    ['lost', { dropRate: 1 }, []],
    ['refused', { overloadRate: 1 }, []],
    ['repeated', { duplicateRate: 1 }, ['a 5', 'a 5']],
  ])('posted frames are %s as requests are', async (what, faults, received) => {
    world.network.setFaults(faults);
    const service = world.serve();
    expect(world.remote.post(node('b'), Uint8Array.of(5), 'live')).toBe(what !== 'refused');
    await world.scheduler.run();
    expect(service.received).toEqual(received);
  });

  it('posted frames keep the order of their lane, whatever the delays, and stop at a cut', async () => {
    world.network.setFaults({ delay: { minMs: 1, meanMs: 20, maxMs: 200 } });
    const service = world.serve();
    const sent = Array.from({ length: 40 }, (_, number) => `a ${number}`);
    for (let number = 0; number < 40; number++) {
      world.remote.post(node('b'), Uint8Array.of(number), number % 2 === 0 ? 'live' : 'bulk');
    }
    await world.scheduler.run();
    const { received } = service;
    const inLane = (lane: number) => (_: string, index: number) => index % 2 === lane;
    const ofLane = (lane: number) => received.filter((frame) => sent.indexOf(frame) % 2 === lane);
    expect([ofLane(0), ofLane(1)]).toEqual([sent.filter(inLane(0)), sent.filter(inLane(1))]);
    expect(received).not.toEqual(sent);
    world.network.cut('a', 'b');
    for (let number = 0; number < 20; number++) {
      world.remote.post(node('b'), Uint8Array.of(number), 'live');
    }
    await world.scheduler.run();
    expect(received).toHaveLength(40);
  });

  it('frames posted after a heal do not wait for those that left while the network was slow', async () => {
    world.network.setFaults({ delay: { minMs: 5_000, meanMs: 5_000, maxMs: 5_000 } });
    const service = world.serve();
    world.remote.post(node('b'), Uint8Array.of(1), 'live');
    world.network.heal(FIXED);
    world.remote.post(node('b'), Uint8Array.of(2), 'live');
    world.remote.post(node('b'), Uint8Array.of(3), 'live');
    await world.scheduler.runFor(10);
    expect(service.received).toEqual(['a 2', 'a 3']);
    await world.scheduler.run();
    expect(service.received).toEqual(['a 2', 'a 3', 'a 1']);
  });

  it.each([
    [1, ['b']],
    [0, []],
  ])('the others are told of a process that dies (reset rate %i)', async (resetRate, expected) => {
    world = new World(FIXED, { resetRate });
    world.serve();
    const told: string[] = [];
    world.remote.onDisconnect((nodeId) => told.push(nodeId));
    world.b.kill();
    expect(told).toEqual([]);
    await world.scheduler.run();
    expect(told).toEqual(expected);
  });

  it('the ends of a link that was cut are told, sometimes, and a dead or closed one never', async () => {
    world.serve();
    let told = 0;
    world.remote.onDisconnect(() => told++);
    for (let cuts = 0; cuts < 40; cuts++) {
      world.network.cut('a', 'b');
      await world.scheduler.run();
      world.network.heal(FIXED);
    }
    expect(told).toBeGreaterThan(5);
    expect(told).toBeLessThan(35);
    const before = told;
    world.network.cut('b', 'a');
    await world.remote.close();
    await world.scheduler.run();
    expect(told).toBe(before);
  });

  it('is the same in two runs of a seed, and another in another', async () => {
    const run = async (seed: number): Promise<string> => {
      const faults = { dropRate: 0.2, duplicateRate: 0.2, delay: { minMs: 1, meanMs: 8, maxMs: 80 } };
      world = new World(faults, {}, seed);
      world.serve();
      for (let at = 0; at < 40; at++) {
        world.scheduler.after(at * 3, () => void world.ask(30).catch(() => undefined));
      }
      world.scheduler.after(60, () => world.b.kill());
      world.scheduler.after(90, () => void world.serve(world.b.next()));
      await world.scheduler.run();
      return world.trace.digest;
    };
    expect(await run(5)).toBe(await run(5));
    expect(await run(6)).not.toBe(await run(5));
  });
});

describe('copyMessage', () => {
  it('copies plain data and counts its bytes', () => {
    const shared = Buffer.from('abc');
    const message = { a: [1, 'x', null, undefined, true], b: { bytes: shared.subarray(1) } };
    const { copy, bytes } = copyMessage(message);
    expect(copy).toEqual({ ...message, b: { bytes: new Uint8Array([98, 99]) } });
    expect(copy.b.bytes.buffer).not.toBe(shared.buffer);
    expect(bytes).toBeGreaterThan(10);
  });

  it.each([
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a Map', new Map()],
    ['a Date', new Date(0)],
    ['a class instance', new SimRandom(1)],
  ])('refuses %s', (_, value) => {
    expect(() => copyMessage({ value })).toThrow(TypeError);
  });

  it('refuses a cycle', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(() => copyMessage(cycle)).toThrow(/cycle/);
  });
});

function lossy(network: SimNetwork, from: string, to: string): LinkFaults {
  return { ...network.link(from, to).faults, dropRate: 1 };
}
