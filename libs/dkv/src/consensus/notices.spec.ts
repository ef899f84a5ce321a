/** Notices of commits: with the next message, or soon by themselves, in order, bounded, and never waited for. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { type Notice, NOTICES_MAX } from '../model/peer-protocol.js';
import { formatVersion } from '../model/version.js';
import { type CoreContext } from '../cluster/core-context.js';
import { Notices } from './notices.js';

const DELAY_MS = 10;
const WAITING_MAX = 16_384;
const LIMITS = { peerTimeoutMs: 500 };

/** A peer that keeps what it is told, or fails, or says nothing until it is let. */
class Peers {
  readonly told: [nodeId: string, keys: string[]][] = [];
  failure: Error | undefined;
  private held: (() => void)[] | undefined;

  async call(
    nodeId: string,
    kind: string,
    ask: { notices: readonly Notice[] },
    options: object,
  ): Promise<object> {
    expect([kind, options]).toEqual(['settle', { timeoutMs: LIMITS.peerTimeoutMs }]);
    this.told.push([nodeId, ask.notices.map(({ key }) => key)]);
    if (this.held) {
      await new Promise<void>((resolve) => this.held?.push(resolve));
    }
    if (this.failure) {
      throw this.failure;
    }
    return {};
  }

  hold(): void {
    this.held = [];
  }

  release(): void {
    this.held?.splice(0).forEach((resolve) => resolve());
    this.held = undefined;
  }
}

let clock: ManualClock;
let peers: Peers;
let log: CapturedLog;
let notices: Notices;

beforeEach(() => {
  clock = new ManualClock();
  peers = new Peers();
  log = new CapturedLog();
  notices = new Notices({ clock, peers, logger: log, limits: LIMITS } as unknown as CoreContext);
});

afterEach(async () => {
  // Whatever a test left waiting, in the end no timer goes on for ever.
  peers.release();
  for (let round = 0; clock.pendingTimers > 0; round++) {
    expect(round).toBeLessThan(500);
    await passed(DELAY_MS);
  }
});

function notice(key: string | number): Notice {
  const version = formatVersion({ physicalMs: 1, counter: 0, nodeId: 'a', boot: 1 });
  return { partition: 1, namespace: 'n', key: String(key), version };
}

function add(nodeId: string, ...keys: (string | number)[]): void {
  keys.forEach((key) => notices.add(nodeId, notice(key)));
}

const keysOf = (taken: readonly Notice[]) => taken.map(({ key }) => key);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

async function passed(ms: number): Promise<void> {
  clock.advance(ms);
  await microtasks();
}

describe('a notice', () => {
  it('rides on the next message to its node, and is then not sent again', async () => {
    add('b', 'k', 'l');
    expect(notices.take('b')).toEqual([notice('k'), notice('l')]);
    expect(notices.take('b')).toEqual([]);
    await passed(10 * DELAY_MS);
    expect(peers.told).toEqual([]);
  });

  it('goes by itself after a moment when there is no message', async () => {
    add('b', 'k');
    await passed(DELAY_MS - 1);
    expect(peers.told).toEqual([]);
    add('b', 'l');
    await passed(1);
    expect(peers.told).toEqual([['b', ['k', 'l']]]);
    expect(notices.take('b')).toEqual([]);
  });

  it('is for one node', async () => {
    add('b', 'k');
    add('c', 'l');
    expect(keysOf(notices.take('c'))).toEqual(['l']);
    expect(notices.take('d')).toEqual([]);
    await passed(DELAY_MS);
    expect(peers.told).toEqual([['b', ['k']]]);
  });

  it('that comes while others are on their way follows them', async () => {
    peers.hold();
    add('b', 'k');
    await passed(DELAY_MS);
    add('b', 'l');
    await passed(10 * DELAY_MS);
    expect(peers.told).toEqual([['b', ['k']]]);
    peers.release();
    await microtasks();
    await passed(DELAY_MS);
    expect(peers.told).toEqual([
      ['b', ['k']],
      ['b', ['l']],
    ]);
  });

  it('still rides along while others are on their way', async () => {
    peers.hold();
    add('b', 'k');
    await passed(DELAY_MS);
    add('b', 'l');
    expect(keysOf(notices.take('b'))).toEqual(['l']);
  });
});

describe('many notices', () => {
  it('are taken a message at a time, oldest first', () => {
    add('b', ...range(0, NOTICES_MAX + 5));
    expect(keysOf(notices.take('b'))).toEqual(range(0, NOTICES_MAX).map(String));
    expect(keysOf(notices.take('b'))).toEqual(range(NOTICES_MAX, NOTICES_MAX + 5).map(String));
  });

  it('go one message after the other, without a pause while messages are full', async () => {
    add('b', ...range(0, 2 * NOTICES_MAX + 5));
    await passed(DELAY_MS);
    await passed(0);
    expect(peers.told.map(([, keys]) => keys.length)).toEqual([NOTICES_MAX, NOTICES_MAX]);
    await passed(0);
    expect(peers.told).toHaveLength(2);
    await passed(DELAY_MS);
    expect(peers.told.flatMap(([, keys]) => keys)).toEqual(range(0, 2 * NOTICES_MAX + 5).map(String));
  });

  it('past the bound are dropped, the newest of them', () => {
    add('b', ...range(0, WAITING_MAX + 10));
    const taken = range(0, WAITING_MAX / NOTICES_MAX + 2).flatMap(() => keysOf(notices.take('b')));
    expect(taken).toEqual(range(0, WAITING_MAX).map(String));
  });

  it('to a node that takes none do not keep those to another waiting', async () => {
    peers.hold();
    add('b', 'k');
    await passed(DELAY_MS);
    add('c', 'l');
    await passed(DELAY_MS);
    expect(peers.told.map(([nodeId]) => nodeId)).toEqual(['b', 'c']);
  });
});

describe('a node that cannot be told', () => {
  it('is told of later ones all the same; what was lost is not sent again', async () => {
    peers.failure = new Error('no way');
    add('b', 'k');
    await passed(DELAY_MS);
    expect(log.lines.join()).toMatch(/Node b was not told of 1 commits: no way/);
    peers.failure = undefined;
    add('b', 'l');
    await passed(DELAY_MS);
    expect(peers.told.at(-1)).toEqual(['b', ['l']]);
    expect(log.warnings).toEqual([]);
  });
});

it('keeps no timer when nothing waits, and begins anew after that', async () => {
  add('b', 'k');
  expect(clock.pendingTimers).toBe(1);
  await passed(DELAY_MS);
  await passed(DELAY_MS);
  expect(clock.pendingTimers).toBe(0);
  add('b', 'l');
  await passed(DELAY_MS);
  expect(peers.told.map(([, keys]) => keys)).toEqual([['k'], ['l']]);
});
