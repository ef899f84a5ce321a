/** When a peer counts as lost: by silence, or by a connection that closed and was not opened again. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type FrameHead } from '../model/node-messages.js';
import { ClusterView } from './cluster-view.js';
import { PeerDirectory } from './peer-directory.js';
import { PeerTransitions } from './peer-transitions.js';

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

function begin(heartbeatIntervalMs: number): void {
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
      found: note('found'),
      missed: note('missed'),
      restarted: note('restarted'),
      forgotten: note('forgotten'),
    },
    new Map(),
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

  it('of frames of another configuration: one line', () => {
    for (let sequence = 1; sequence < 100; sequence++) {
      expect(directory.accept({ ...headOf(1), sequence, configuration: 'another' })).toBeUndefined();
      pass(100);
    }
    expect(log.warnings.filter((line) => line.includes('different members'))).toHaveLength(1);
  });
});
