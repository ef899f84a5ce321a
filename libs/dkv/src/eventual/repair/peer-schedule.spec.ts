/** Whom repair looks at: members that are up, as they come and go. */
import { beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../../../testing/manual-clock.js';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { PeerSchedule } from './peer-schedule.js';

const NODES = testNodes('a', 'b', 'c');

let clock: ManualClock;
let view: ClusterView;
let schedule: PeerSchedule;
let told: string[];

beforeEach(() => {
  clock = new ManualClock();
  view = ClusterView.of('a', testRing(NODES), NODES);
  told = [];
  schedule = new PeerSchedule(
    { view, clock },
    {
      intervalMs: () => 1_000,
      peerUp: (nodeId) => void told.push(`up ${nodeId}`),
      peerGone: (nodeId) => void told.push(`gone ${nodeId}`),
      pass: (up) => void told.push(`pass ${up.join()}`),
    },
  );
});

const adopt = (...nodeIds: string[]) =>
  view.adopt({ ...view.agreed, epoch: view.epoch + 1, members: testNodes(...nodeIds) });

it('a guest is none of them, until it is a member: then it is up at once', () => {
  schedule.start();
  view.welcome(testNode('d'));
  view.setState('d', 'up');
  view.setState('b', 'up');
  expect(told).toEqual(['up b']);
  adopt('a', 'b', 'c', 'd');
  expect(told).toEqual(['up b', 'up d']);
  clock.advance(1_000);
  expect(told.at(-1)).toBe('pass b,d');
});

it('a member that goes is told once, and is looked at no more', () => {
  schedule.start();
  view.setState('b', 'up');
  adopt('a', 'c');
  view.dismiss('b');
  adopt('a', 'c', 'd');
  clock.advance(1_000);
  expect(told).toEqual(['up b', 'gone b', 'pass ']);
});

it.each(['before it is started', 'after it is stopped'])('nothing is told %s', (when) => {
  if (when !== 'before it is started') {
    schedule.start();
    schedule.stop();
  }
  view.setState('b', 'up');
  adopt('a', 'c');
  clock.advance(5_000);
  expect(told).toEqual([]);
});
