import { describe, expect, it } from 'vitest';
import { Peer } from '../cluster/peers.js';
import { type NodeMessage } from '../model/node-messages.js';
import { PeerRun } from './peer-run.js';

const PAGE: NodeMessage = { kind: 'page', slot: 1, page: undefined };

function setup() {
  const peer = new Peer('b');
  peer.restart('first folder', 7);
  const said: string[] = [];
  const run = new PeerRun(peer, {
    say: (nodeId) => void said.push(`to ${nodeId}`),
    sayBulk: (nodeId) => said.push(`at length to ${nodeId}`) > 0,
  });
  return { peer, run, said };
}

describe('a process run that asked', () => {
  it('is answered', () => {
    const { run, said } = setup();
    run.say(PAGE);
    expect(run.sayBulk(PAGE)).toBe(true);
    expect(said).toEqual(['to b', 'at length to b']);
  });

  it.each([
    ['runs again', 'first folder', 8],
    ['has another folder, whose process run has the same number', 'second folder', 7],
  ])('is answered no more once its node %s', (_, incarnation, session) => {
    const { peer, run, said } = setup();
    peer.restart(incarnation, session);
    run.say(PAGE);
    expect(run.sayBulk(PAGE)).toBe(false);
    expect(run.isOver).toBe(true);
    expect(said).toEqual([]);
  });
});
