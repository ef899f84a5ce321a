/** When a peer counts as lost: by silence, or by a connection that closed and was not opened again. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type FrameHead } from '../model/node-messages.js';
import { ClusterView } from './cluster-view.js';
import { PeerDirectory } from './peer-directory.js';
import { PeerTransitions } from './peer-transitions.js';
import { type RememberedPeer } from './remembered-peers.js';

const NODES = testNodes('a', 'b', 'c');
const OWN = {
  session: 1,
  incarnation: 'a1',
  clusterId: 'one',
  openedPosition: 0,
  durablePosition: 0,
  isFit: true,
  isReady: true,
  isWritable: true,
  ledNumber: 1,
};

let clock: ManualClock;
let view: ClusterView;
let directory: PeerDirectory;
let told: string[];
let log: CapturedLog;

beforeEach(() => begin(100));

function begin(heartbeatIntervalMs: number, remembered: Record<string, RememberedPeer> = {}): void {
  clock = new ManualClock();
  view = ClusterView.of('a', testRing(NODES), NODES);
  told = [];
  log = new CapturedLog();
  const note =
    (what: string) =>
    ({ nodeId }: { nodeId: string }) =>
      void told.push(`${what} ${nodeId}`);
  directory = new PeerDirectory(
    view,
    clock,
    new PeerTransitions(view, clock, log),
    { heartbeatIntervalMs, electionTimeoutMs: 1_000 },
    500,
    OWN,
    {
      lost: note('lost'),
      gone: note('gone'),
      found: note('found'),
      missed: note('missed'),
      restarted: note('restarted'),
      forgotten: note('forgotten'),
    },
    new Map(Object.entries(remembered)),
  );
  hear();
  told = [];
}

function hear(): void {
  directory.heard(directory.find('b')!);
}

/** Of the first frame of a process run of b. */
function headOf(session: number): FrameHead {
  return {
    from: 'b@b1',
    session,
    toIncarnation: '',
    toSession: 0,
    configuration: view.configuration,
    isBulk: false,
    sequence: 1,
  };
}

/** Time passes, with a tick every 100 ms. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 100) {
    clock.advance(Math.min(100, left));
    directory.tick();
  }
}

describe('a peer', () => {
  it('is lost when it is silent for longer than an election timeout', () => {
    pass(1_000);
    expect(told).toEqual([]);
    pass(100);
    expect([told, view.stateOf('b')]).toEqual([['lost b'], 'down']);
    hear();
    expect([told, view.stateOf('b')]).toEqual([['lost b', 'found b'], 'up']);
  });

  it('whose connection closed is suspected at once, and lost 200 ms later', () => {
    directory.disconnected('b');
    expect([view.stateOf('b'), directory.isUp('b')]).toEqual(['suspect', true]);
    clock.advance(199);
    expect(told).toEqual([]);
    clock.advance(2);
    expect([told, view.stateOf('b')]).toEqual([['lost b'], 'down']);
  });

  it('has the time of a heartbeat to be heard again, however rare those are', () => {
    begin(400);
    directory.disconnected('b');
    clock.advance(385);
    hear();
    clock.advance(300);
    expect([told, view.stateOf('b')]).toEqual([[], 'up']);
  });

  it('is lost in spite of what it had sent before the close', () => {
    directory.disconnected('b');
    clock.advance(20);
    hear();
    clock.advance(181);
    expect(told).toEqual(['lost b']);
  });

  it('that is heard by another connection is up again', () => {
    directory.disconnected('b');
    clock.advance(100);
    hear();
    expect(view.stateOf('b')).toBe('up');
    pass(900);
    expect(told).toEqual([]);
  });

  it('whose next connection closes, too, is not up by what came with that one', () => {
    directory.disconnected('b');
    clock.advance(60);
    // Its next connection has ended by then; this was on its way.
    directory.disconnected('b');
    hear();
    expect(view.stateOf('b')).toBe('suspect');
    pass(150);
    expect([told, view.stateOf('b')]).toEqual([['lost b'], 'down']);
  });

  it('that speaks as a later process right after the close is up again', () => {
    directory.accept(headOf(1));
    hear();
    directory.disconnected('b');
    clock.advance(4);
    directory.accept(headOf(2));
    hear();
    expect(view.stateOf('b')).toBe('up');
    clock.advance(900);
    expect([told, view.stateOf('b')]).toEqual([[], 'up']);
  });

  it('that is lost is not up by a frame of a process that does not know this one', () => {
    directory.accept(headOf(1));
    directory.disconnected('b');
    clock.advance(201);
    directory.accept(headOf(2));
    expect([told, view.stateOf('b')]).toEqual([['lost b'], 'down']);
  });
});

describe('peers', () => {
  const ids = () => Array.from(directory.all, ({ nodeId }) => nodeId);
  const adopt = (...nodeIds: string[]) =>
    view.adopt({ ...view.agreed, epoch: view.epoch + 1, members: testNodes(...nodeIds) });
  const introduced = (nodeId: string) => {
    const peer = directory.find(nodeId)!;
    const { stampMs } = directory.heartbeatFor(peer);
    directory.heartbeat(peer, { ...directory.heartbeatFor(peer), stampMs, echoMs: 0, echoAgeMs: 0 });
  };

  it('are the members and the guests, as these come and go', () => {
    view.welcome(testNode('x'));
    adopt('a', 'b', 'd');
    expect(ids()).toEqual(['b', 'c', 'x', 'd']);
    view.dismiss('x');
    view.dismiss('c');
    expect([ids(), told]).toEqual([
      ['b', 'd'],
      ['gone x', 'gone c'],
    ]);
    expect(directory.find('c')).toBeUndefined();
    expect([directory.isUp('c'), directory.isUp('a'), directory.isAlive('c@')]).toEqual([false, true, false]);
  });

  it('that go are not lost, and the same ones stay who become guests or members', () => {
    const b = directory.find('b');
    adopt('a', 'c');
    expect([directory.find('b'), view.stateOf('b'), told]).toEqual([b, 'up', []]);
    adopt('a', 'b', 'c');
    expect([directory.find('b'), view.stateOf('b'), told]).toEqual([b, 'up', []]);
    view.dismiss('b');
    expect(told).toEqual([]);
    adopt('a', 'c');
    view.dismiss('b');
    pass(5_000);
    expect(told).toEqual(['gone b']);
  });

  it('that come have the time of an election to be heard', () => {
    pass(5_000);
    view.welcome(testNode('x'));
    pass(1_000);
    expect(view.stateOf('x')).toBe('suspect');
    pass(100);
    expect(view.stateOf('x')).toBe('down');
    directory.heard(directory.find('x')!);
    expect([view.stateOf('x'), told.at(-1)]).toEqual(['up', 'found x']);
  });

  it('that come back are those that went: retired incarnations stay it, and no frame of before is taken', () => {
    const speak = (incarnation: string, session: number, sequence: number) =>
      directory.accept({ ...headOf(session), from: `b@${incarnation}`, sequence }) !== undefined;
    expect(speak('old', 1, 1)).toBe(true);
    expect(speak('new', 2, 5)).toBe(true);
    introduced('b');
    adopt('a', 'c');
    view.dismiss('b');
    expect(speak('new', 2, 6)).toBe(false);
    expect(directory.remembered()).toMatchObject({ b: { incarnation: 'new', session: 2, retired: ['old'] } });
    view.welcome(testNode('b'));
    const peer = directory.find('b')!;
    expect([peer.hasIntroducedItself, peer.isFit, peer.led.size]).toEqual([false, false, 0]);
    expect([speak('old', 9, 9), speak('new', 2, 5), speak('new', 1, 9), speak('new', 2, 6)]).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  it('that were remembered at the start are recognised when they come', () => {
    begin(100, { x: { incarnation: 'new', session: 7, durablePosition: 3, retired: ['old'] } });
    expect([directory.find('x'), directory.remembered().x?.retired]).toEqual([undefined, ['old']]);
    view.welcome(testNode('x'));
    const frame = { ...headOf(9), from: 'x@old' };
    expect([directory.find('x')?.session, directory.accept(frame)]).toEqual([7, undefined]);
  });

  it('are remembered after they went, the latest 64', () => {
    const known = { incarnation: 'i', session: 1, durablePosition: 0 };
    begin(100, Object.fromEntries(Array.from({ length: 80 }, (_, number) => [`x${number}`, known])));
    expect(Object.keys(directory.remembered())).toHaveLength(64);
    for (let number = 100; number < 200; number++) {
      view.welcome(testNode(`x${number}`));
      directory.accept({ ...headOf(1), from: `x${number}@i` });
      view.dismiss(`x${number}`);
    }
    expect(Object.keys(directory.remembered()).sort()).toEqual(
      Array.from({ length: 64 }, (_, number) => `x${136 + number}`),
    );
  });

  it.each([1, 2, 3, 4])('are the others of the view, whatever comes and goes (seed %i)', (seed) => {
    const random = new SimRandom(seed);
    const names = ['b', 'c', 'd', 'e', 'f'];
    const sessions = new Map<string, number>();
    for (let step = 0; step < 300; step++) {
      const nodeId = random.pick(names);
      switch (random.int(5)) {
        case 0:
          view.welcome(testNode(nodeId));
          break;
        case 1:
          view.dismiss(nodeId);
          break;
        case 2:
          adopt('a', ...names.filter(() => random.chance(0.5)));
          break;
        case 3:
          pass(100 * random.int(15));
          break;
        case 4: {
          const session = (sessions.get(nodeId) ?? 0) + 1;
          if (directory.accept({ ...headOf(session), from: `${nodeId}@i` })) {
            sessions.set(nodeId, session);
            introduced(nodeId);
            pass(1_200);
          }
        }
      }
      expect(ids().sort()).toEqual(view.others.map((node) => node.nodeId).sort());
      for (const peer of directory.all) {
        expect(directory.isUp(peer.nodeId)).toBe(view.stateOf(peer.nodeId) === 'up');
        expect(peer.session).toBe(sessions.get(peer.nodeId) ?? 0);
      }
    }
  });
});

describe('the clock of a peer', () => {
  const peer = () => directory.find('b')!;
  /** Of b, whose clock is `aheadMs` ahead, as it says it now. */
  function said(aheadMs: number) {
    const own = directory.heartbeatFor(peer());
    // b's monotonic clock began elsewhere.
    const stampMs = own.stampMs + 5_000;
    return { ...own, sentAtMs: clock.now() + aheadMs, stampMs, echoMs: 0, echoAgeMs: 0 };
  }

  it('is as its heartbeats say', () => {
    directory.heartbeat(peer(), said(300));
    expect(peer().clockOffsetMs).toBe(300);
  });

  it('is not as a heartbeat says that was under way for long, with all those behind it', () => {
    directory.heartbeat(peer(), said(-20));
    const { stampMs: echoMs } = directory.heartbeatFor(peer());
    clock.advance(100);
    const late = { ...said(-20), echoMs, echoAgeMs: 90 };
    clock.advance(3_000);
    directory.heartbeat(peer(), late);
    expect(peer().clockOffsetMs).toBe(-20);
    // What it echoes is old, since nothing came of this node meanwhile; it itself is not.
    directory.heartbeat(peer(), { ...said(40), echoMs, echoAgeMs: 3_080 });
    expect(peer().clockOffsetMs).toBe(40);
  });

  it('is echoed with the time since it came, to this process run of it alone', () => {
    directory.heartbeat(peer(), said(0));
    const { stampMs } = peer();
    clock.advance(250);
    expect(directory.heartbeatFor(peer())).toMatchObject({ echoMs: stampMs, echoAgeMs: 250 });
    peer().restart('b1', 2);
    expect(directory.heartbeatFor(peer())).toMatchObject({ echoMs: 0, echoAgeMs: 0 });
  });
});

describe('what is logged', () => {
  const lines = () => [...log.warnings, ...log.lines];

  it('of a peer that falls silent: that it is down and for how long it was silent, once', () => {
    log.lines.length = 0;
    pass(5_000);
    expect(lines().filter((line) => line.includes('node b') || line.includes('Node b'))).toEqual([
      'Node b is down (unreachable): nothing was heard of it for 1100 ms. Its partitions are led by others now.',
    ]);
    hear();
    expect(log.lines.at(-1)).toBe('Node b is back after 3.9 s (unreachable).');
  });

  it('of a peer that says good-bye: that it has stopped, and no warning', () => {
    directory.goodbye(directory.find('b')!);
    directory.disconnected('b');
    pass(2_000);
    expect(log.warnings).toEqual([]);
    expect(log.lines).toContain('Node b has stopped. Its partitions are led by others.');
  });

  it('of frames of a stranger: one line that says so', () => {
    directory.accept({ ...headOf(1), from: 'x@x1' });
    directory.accept({ ...headOf(1), from: 'x@x1', sequence: 2 });
    expect(log.warnings.filter((line) => line.startsWith('Node x is no member of the cluster'))).toHaveLength(
      1,
    );
  });

  it('of frames of another configuration: one line', () => {
    for (let sequence = 1; sequence < 100; sequence++) {
      expect(directory.accept({ ...headOf(1), sequence, configuration: 'another' })).toBeUndefined();
      pass(100);
    }
    expect(
      log.warnings.filter((line) => line.includes('different partitions or another hash function')),
    ).toHaveLength(1);
  });
});
