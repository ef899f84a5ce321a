/** Whose clocks have a say in log time, as members and guests come and go. */
import { beforeEach, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { BoundedClock } from './bounded-clock.js';
import { ClusterView } from './cluster-view.js';
import { type PeerDirectory } from './peer-directory.js';
import { Peer } from './peers.js';

const MAX_MS = 500;

let clock: ManualClock;
let view: ClusterView;
let bounded: BoundedClock;
let peers: Peer[];

beforeEach(() => begin('a'));

function begin(...nodeIds: string[]): void {
  clock = new ManualClock();
  const nodes = testNodes(...nodeIds);
  view = ClusterView.of('a', testRing(nodes), nodes);
  bounded = new BoundedClock(clock, new CapturedLog(), MAX_MS, view);
  peers = [];
}

function compare(): void {
  bounded.compare({ all: peers.values(), isUp: () => true } as unknown as PeerDirectory);
}

function peer(nodeId: string, clockOffsetMs: number): Peer {
  return Object.assign(new Peer(nodeId), { hasIntroducedItself: true, clockOffsetMs });
}

it('guests have no say, members have', () => {
  begin('a', 'b');
  ['x', 'y', 'z'].forEach((nodeId) => view.welcome(testNode(nodeId)));
  peers = [peer('b', 0), peer('x', 9_000), peer('y', 9_000), peer('z', 9_000)];
  compare();
  expect(bounded.isRight).toBe(true);
  view.adopt({ ...view.agreed, epoch: 2, members: testNodes('a', 'b', 'x', 'y', 'z') });
  compare();
  expect(bounded.isRight).toBe(false);
});

it('a node that is alone goes by its clock, and is bounded from when it has peers', () => {
  compare();
  clock.advance(1_000);
  expect(bounded.nowMs()).toBe(clock.now());
  view.adopt({ ...view.agreed, epoch: 2, members: testNodes('a', 'b', 'c') });
  peers = [peer('b', -2_000), peer('c', -2_000)];
  compare();
  expect(bounded.isRight).toBe(false);
  // Held back to what most say, and one offset more.
  compare();
  expect(bounded.nowMs()).toBe(clock.now() - 2_000 + MAX_MS);
});
