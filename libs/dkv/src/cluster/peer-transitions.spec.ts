/** Comings and goings of peers: one line each, with the cause, and what stands of it in the status and the metrics. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type RefusalReason } from '../model/node.js';
import { ClusterView } from './cluster-view.js';
import { PeerTransitions } from './peer-transitions.js';

const NODES = testNodes('a', 'b', 'c');

let clock: ManualClock;
let log: CapturedLog;
let peers: PeerTransitions;
let view: ClusterView;

beforeEach(() => {
  clock = new ManualClock();
  log = new CapturedLog();
  view = ClusterView.of('a', testRing(NODES), NODES);
  view.adopt({ ...view.agreed, epoch: 1 });
  peers = new PeerTransitions(view, clock, log);
});

const refuse = (peer: string, reason: RefusalReason = 'key') =>
  peers.refused({ peer, reason, message: `${peer} is refused: ${reason}` });

describe('a peer', () => {
  it('comes, goes without a word and comes back: a line each, however often it is told', () => {
    peers.up('b');
    peers.up('b');
    clock.advance(5_000);
    peers.unreachable('b', 'Node b at b:7000: connect ECONNREFUSED.');
    peers.down('b', 'its connection ended');
    peers.down('b', 'its connection ended');
    clock.advance(12_400);
    peers.up('b');
    expect(log.lines).toEqual(['Node b is up.', 'Node b is back after 12 s (unreachable).']);
    expect(log.warnings).toEqual([
      'Node b is down (unreachable): its connection ended. Its partitions are led by others now. ' +
        'Node b at b:7000: connect ECONNREFUSED.',
    ]);
  });

  it('that said good-bye is not warned of', () => {
    peers.up('b');
    peers.leaving('b');
    peers.down('b', 'its connection ended');
    expect(peers.conditionOf('b')).toEqual({ isUp: false, since: clock.now(), trouble: 'stopped' });
    clock.advance(2_500);
    peers.up('b');
    expect(log.warnings).toEqual([]);
    expect(log.lines.slice(1)).toEqual([
      'Node b has stopped. Its partitions are led by others.',
      'Node b is back after 2.5 s (stopped).',
    ]);
  });

  it('said good-bye for one process run alone', () => {
    peers.up('b');
    peers.leaving('b');
    peers.restarted('b');
    peers.down('b', 'nothing was heard of it for 1000 ms');
    expect(log.lines.at(-1)).toBe('Node b was started again.');
    expect(log.warnings).toHaveLength(1);
    peers.up('b');
    peers.down('b', 'nothing was heard of it for 1000 ms');
    expect(log.warnings).toHaveLength(2);
  });

  it('that never came is told of once, with what is in the way', () => {
    peers.unreachable('b', 'Node b at b:7000: getaddrinfo ENOTFOUND b.');
    peers.unseen('b');
    expect(log.lines).toEqual(['Node b was not heard yet. Node b at b:7000: getaddrinfo ENOTFOUND b.']);
    expect([peers.conditionOf('b')?.trouble, peers.seen]).toEqual(['unseen', []]);
    peers.up('b');
    peers.down('b', 'its connection ended');
    expect(peers.seen).toEqual(['b']);
  });
});

describe('a refusal', () => {
  it('is one line however often it is repeated, and a new one once the peer was up or after a quiet minute', () => {
    for (let second = 0; second < 300; second++) {
      refuse('b');
      clock.advance(1_000);
    }
    expect(log.warnings).toEqual(['b is refused: key']);
    peers.up('b');
    refuse('b');
    expect(log.warnings).toHaveLength(2);
    clock.advance(60_001);
    refuse('b');
    expect(log.warnings).toHaveLength(3);
  });

  it('of strangers is told ten times a minute, whatever they call themselves, and never hides one of a peer', () => {
    for (let name = 0; name < 5_000; name++) {
      refuse(`x${name}`);
    }
    expect(log.warnings).toHaveLength(10);
    refuse('b');
    expect(log.warnings.at(-1)).toBe('b is refused: key');
    clock.advance(60_001);
    refuse('y');
    expect(log.warnings.at(-1)).toBe('y is refused: key');
  });

  it('of strangers is told ten times from the first one on, however old the process is', () => {
    clock.advance(59_000);
    for (let second = 0; second < 5; second++) {
      for (let name = 0; name < 20; name++) {
        refuse(`x${second}-${name}`);
      }
      clock.advance(1_000);
    }
    expect(log.warnings).toHaveLength(10);
  });

  it('is told for each reason and each peer, and counted by both', () => {
    refuse('b');
    refuse('b', 'version');
    refuse('b', 'version');
    refuse('c');
    expect(log.warnings).toEqual(['b is refused: key', 'b is refused: version', 'c is refused: key']);
    expect([...peers.counts()]).toEqual([
      ['b', 'key', 1],
      ['b', 'version', 2],
      ['c', 'key', 1],
    ]);
  });

  it('is why a peer is not up, and why one that was up is down right after it', () => {
    refuse('b', 'certificate');
    expect(peers.conditionOf('b')?.trouble).toBe('certificate');
    peers.up('c');
    refuse('c', 'certificate');
    expect(peers.conditionOf('c')?.trouble).toBeUndefined();
    peers.down('c', 'nothing was heard of it for 1000 ms');
    expect(peers.conditionOf('c')?.trouble).toBe('certificate');
    peers.up('c');
    refuse('c', 'certificate');
    clock.advance(10_001);
    peers.down('c', 'its connection ended');
    expect(peers.conditionOf('c')?.trouble).toBe('unreachable');
  });

  it('of strangers is counted under one name, and what is remembered of them is bounded', () => {
    for (let stranger = 0; stranger < 5_000; stranger++) {
      refuse(`stranger-${stranger}`);
    }
    expect([...peers.counts()]).toEqual([['unknown', 'key', 5_000]]);
    const maps = Object.values(peers as unknown as Record<string, unknown>).filter(
      (part) => part instanceof Map,
    );
    expect(maps.map(({ size }) => size <= 1_000)).toEqual([true, true, true]);
  });
});

describe('members and guests', () => {
  const adopt = (...nodeIds: string[]) =>
    view.adopt({ ...view.agreed, epoch: view.epoch + 1, members: testNodes(...nodeIds) });

  it('a line each for who becomes a member and who is none any more, this node too; none for guests', () => {
    view.welcome(testNode('d'));
    adopt('a', 'b', 'd');
    expect(log.lines).toEqual(['Node d is a member now.', 'Node c is no member any more.']);
    view.dismiss('c');
    adopt('b', 'c', 'd');
    expect(log.lines.slice(2)).toEqual(['Node c is a member now.', 'Node a is no member any more.']);
    adopt('b', 'c', 'd');
    expect(log.lines).toHaveLength(4);
  });

  it('what is known of a node stays when it becomes a member or a guest, and goes with it', () => {
    view.welcome(testNode('d'));
    peers.up('d');
    expect([peers.conditionOf('d')?.isUp, peers.seen]).toEqual([true, []]);
    adopt('a', 'b', 'd');
    expect([peers.conditionOf('d')?.isUp, peers.seen]).toEqual([true, ['d']]);
    refuse('d');
    expect([...peers.counts()]).toEqual([['d', 'key', 1]]);
    adopt('a', 'b');
    view.dismiss('d');
    expect([peers.conditionOf('d'), peers.seen, [...peers.counts()]]).toEqual([undefined, [], []]);
    refuse('d');
    expect([...peers.counts()]).toEqual([['unknown', 'key', 1]]);
    view.welcome(testNode('d'));
    expect(peers.conditionOf('d')?.trouble).toBe('unseen');
  });

  it('nothing is said of partitions of a node that has none', () => {
    view.welcome(testNode('d'));
    peers.up('d');
    peers.down('d', 'its connection ended');
    peers.up('d');
    peers.leaving('d');
    peers.down('d', 'its connection ended');
    expect(log.warnings).toEqual(['Node d is down (unreachable): its connection ended.']);
    expect(log.lines.at(-1)).toBe('Node d has stopped.');
  });
});

describe('a clock', () => {
  it('that differs is told of once, and once it agrees again, not at each crossing of the limit', () => {
    peers.up('b');
    for (const aheadMs of [0, 499, 501, 499, 501, -501, 3_600_000]) {
      peers.clockSeen('b', aheadMs, 500);
    }
    expect(log.warnings).toEqual([
      "The clock of node b is 0.5 s ahead of this node's; 0.5 s (maxClockOffsetMs) are tolerated. Synchronise the clocks.",
    ]);
    expect(peers.conditionOf('b')).toMatchObject({ isUp: true, trouble: 'clock' });
    peers.clockSeen('b', -250, 500);
    peers.clockSeen('b', 0, 500);
    expect(log.lines.slice(1)).toEqual(["The clock of node b agrees with this node's again."]);
    expect(peers.conditionOf('b')?.trouble).toBeUndefined();
  });
});
