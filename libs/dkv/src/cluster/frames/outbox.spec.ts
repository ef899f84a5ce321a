/** Frames to nodes that come and go: what was begun for who went is dropped, and whoever comes back takes no frame twice. */
import { beforeEach, expect, it } from 'vitest';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { type FrameHead } from '../../model/node-messages.js';
import { ClusterView } from '../cluster-view.js';
import { readFrame } from './node-message-layout.js';
import { Outbox } from './outbox.js';

const NODES = testNodes('a', 'b');

let view: ClusterView;
let outbox: Outbox;
let sent: string[];
let dropped: string[];

beforeEach(() => {
  view = ClusterView.of('a', testRing(NODES), NODES);
  sent = [];
  dropped = [];
  outbox = new Outbox(
    view,
    {
      post: (to, frame, lane) => {
        let head: FrameHead | undefined;
        readFrame(
          frame,
          (found) => {
            head = found;
            return true;
          },
          () => undefined,
        );
        sent.push(`${lane} ${head!.sequence} to ${to.nodeId}`);
        return true;
      },
    },
    { member: 'a@1', session: 1, peer: () => ({ incarnation: '', session: 0 }) },
    (nodeId) => void dropped.push(nodeId),
  );
});

/** Says something to the nodes in one turn. */
function say(...nodeIds: string[]): void {
  nodeIds.forEach((nodeId) => outbox.add(nodeId, { kind: 'goodbye' }));
  outbox.flush();
}

it('goes to members and guests, and to nobody else', () => {
  view.welcome(testNode('x'));
  say('b', 'x', 'stranger', 'a');
  expect(sent.sort()).toEqual(['live 1 to b', 'live 1 to x']);
  expect(outbox.addBulk('stranger', { kind: 'goodbye' })).toBe(false);
  expect(dropped).toEqual([]);
});

it('what was begun for a node that goes in the same turn is dropped, the rest is not', () => {
  view.welcome(testNode('x'));
  outbox.add('x', { kind: 'goodbye' });
  outbox.add('b', { kind: 'goodbye' });
  view.dismiss('x');
  expect(outbox.receivers.map(({ nodeId }) => nodeId)).toEqual(['b']);
  outbox.flush();
  expect([sent, dropped, outbox.isEmpty]).toEqual([['live 1 to b'], [], true]);
});

it('numbers rise for a node that has come back, on both lanes', () => {
  view.welcome(testNode('x'));
  say('x');
  say('x');
  outbox.addBulk('x', { kind: 'goodbye' });
  view.dismiss('x');
  view.welcome(testNode('x'));
  say('x', 'b');
  outbox.addBulk('x', { kind: 'goodbye' });
  expect(sent.sort()).toEqual([
    'bulk 1 to x',
    'bulk 2 to x',
    'live 1 to x',
    'live 2 to x',
    'live 3 to b',
    'live 3 to x',
  ]);
});
