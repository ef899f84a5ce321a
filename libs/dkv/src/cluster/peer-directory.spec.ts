/** The failure detector: what silence, closed connections and signs of life make of a peer's state. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { ClusterView } from './cluster-view.js';
import { PeerDirectory } from './peer-directory.js';
import { type Peer } from './peers.js';

const HEARTBEAT_MS = 100;
const ELECTION_MS = 1_000;
const NODES = testNodes('a', 'b', 'c');
const OWN = {
  session: 1,
  incarnation: 'i',
  clusterId: '',
  openedPosition: 0,
  durablePosition: 0,
  isFit: true,
  isReady: true,
  ledNumber: 0,
};

let clock: ManualClock;
let view: ClusterView;
let directory: PeerDirectory;
let b: Peer;
let events: string[];

beforeEach(() => {
  clock = new ManualClock();
  view = new ClusterView('a', testRing(NODES), NODES);
  events = [];
  const note = (event: string) => (peer: Peer) => void events.push(`${event} ${peer.nodeId}`);
  directory = new PeerDirectory(
    view,
    clock,
    new CapturedLog(),
    { heartbeatIntervalMs: HEARTBEAT_MS, electionTimeoutMs: ELECTION_MS },
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
  b = directory.find('b')!;
  view.onState((nodeId, state) => events.push(`${nodeId} ${state}`));
});

/** Heartbeat intervals in which only this node is at work. */
function pass(ms: number): void {
  for (let passedMs = 0; passedMs < ms; passedMs += HEARTBEAT_MS) {
    clock.advance(HEARTBEAT_MS);
    directory.tick();
  }
}

it('a peer that speaks is up; one that is silent for the election timeout is down', () => {
  directory.heard(b);
  pass(ELECTION_MS);
  expect(view.stateOf('b')).toBe('up');
  pass(HEARTBEAT_MS);
  expect([view.stateOf('b'), view.stateOf('c')]).toEqual(['down', 'down']);
  directory.heard(b);
  expect(events).toEqual(['b up', 'found b', 'b down', 'lost b', 'c down', 'b up', 'found b']);
});

describe('a peer whose connection has ended', () => {
  beforeEach(() => {
    directory.heard(b);
    events.length = 0;
    directory.disconnected('b');
  });

  it('is suspect at once, and down when it does not come back', () => {
    expect(events).toEqual(['b suspect']);
    pass(2 * HEARTBEAT_MS);
    expect(events).toEqual(['b suspect', 'b down', 'lost b']);
  });

  it('is up again when it speaks over another one in time, so that repair goes on with it', () => {
    clock.advance(HEARTBEAT_MS);
    directory.heard(b);
    pass(2 * HEARTBEAT_MS);
    expect(events).toEqual(['b suspect', 'b up']);
    expect(directory.isUp('b')).toBe(true);
  });

  it('is suspect at the next end of a connection too', () => {
    directory.heard(b);
    directory.disconnected('b');
    directory.disconnected('b');
    expect(events).toEqual(['b suspect', 'b up', 'b suspect']);
  });
});
