import { describe, expect, it } from 'vitest';
import {
  describeOperation,
  type HistoryAction,
  type HistoryOperation,
  type HistoryOutcome,
} from '../history.js';
import { SimRandom } from '../sim-random.js';
import { checkLinearizability, checkRegisterSearch } from './linearizability.js';
import { checkRegisterZones, isDistinctRegister } from './register-zones.js';
import { INDETERMINATE, MISMATCH, NOT_APPLIED, operation, read, write } from './written-history.js';

const ok = (told: { value?: string; version?: string; existed?: boolean }): HistoryOutcome => ({
  kind: 'ok',
  ...told,
});
const cas = (expected: string | null, value: string): HistoryAction => ({
  kind: 'compareAndSet',
  expected,
  value,
});
const TOUCH: HistoryAction = { kind: 'touch', ttlMs: 0 };
const remove: HistoryAction = { kind: 'delete' };
const add = (by: number): HistoryAction => ({ kind: 'increment', by });

/** Reads and distinct writes: both checkers decide these, and must agree. */
const REGISTER_HISTORIES: readonly [string, boolean, HistoryOperation[]][] = [
  ['nothing at all', true, []],
  ['an empty read before a write', true, [read(undefined, 0, 1), write('a', 2, 3), read('a', 4, 5)]],
  ['an empty read during a write', true, [write('a', 0, 9), read(undefined, 1, 2), read('a', 3, 4)]],
  ['an empty read after an acknowledged write', false, [write('a', 0, 1), read(undefined, 2, 3)]],
  ['a stale read', false, [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
  ['a stale read during the write', true, [write('a', 0, 1), write('b', 2, 9), read('a', 4, 5)]],
  ['a read that goes back', false, [write('a', 0, 1), write('b', 2, 9), read('b', 3, 4), read('a', 5, 6)]],
  ['a read from the future', false, [read('a', 0, 1), write('a', 2, 3)]],
  ['a read of a value that nobody wrote', false, [write('a', 0, 1), read('b', 2, 3)]],
  [
    'concurrent writes seen in one order',
    true,
    [write('a', 0, 9), write('b', 1, 8), read('a', 2, 3), read('b', 4, 5)],
  ],
  [
    'concurrent writes seen in both orders',
    false,
    [
      write('a', 0, 4),
      write('b', 1, 3),
      read('a', 5, 8),
      read('b', 6, 9),
      read('a', 10, 11),
      read('b', 12, 13),
    ],
  ],
  [
    'a timed-out write seen later',
    true,
    [write('a', 0, 1, INDETERMINATE), read(undefined, 2, 3), read('a', 9, 10)],
  ],
  ['a timed-out write never seen', true, [write('a', 0, 1, INDETERMINATE), read(undefined, 9, 10)]],
  [
    'a timed-out write seen and gone again',
    false,
    [write('a', 0, 1, INDETERMINATE), read('a', 2, 3), read(undefined, 4, 5)],
  ],
  [
    'a timed-out write that takes effect after a later write',
    true,
    [write('a', 0, 1, INDETERMINATE), write('b', 2, 3), read('b', 4, 5), read('a', 6, 7)],
  ],
  [
    'a timed-out write that takes effect twice',
    false,
    [write('a', 0, 1, INDETERMINATE), read('a', 2, 3), write('b', 4, 5), read('b', 6, 7), read('a', 8, 9)],
  ],
  ['a write not applied and not seen', true, [write('a', 0, 1, NOT_APPLIED), read(undefined, 2, 3)]],
  ['a write not applied, yet seen', false, [write('a', 0, 1, NOT_APPLIED), read('a', 2, 3)]],
  [
    'a write not applied, seen while under way',
    false,
    [write('a', 0, 5, NOT_APPLIED), read('a', 1, 2), read(undefined, 6, 7)],
  ],
  [
    'an unread value inside another one in force',
    false,
    [write('a', 0, 1), write('b', 3, 4), read('a', 6, 7)],
  ],
  [
    'a failed read says nothing',
    true,
    [write('a', 0, 1), operation(2, 3, { kind: 'read' }, { kind: 'unread' })],
  ],
  ['touching writes are concurrent', true, [write('a', 0, 1), write('b', 1, 2), read('a', 5, 6)]],
  ['touching operations are concurrent', true, [write('a', 0, 1), write('b', 1, 2), read('a', 2, 3)]],
  [
    'a version that changed',
    false,
    [
      operation(0, 1, { kind: 'write', value: 'a' }, ok({ version: 'v1' })),
      operation(2, 3, { kind: 'read' }, ok({ value: 'a', version: 'v2' })),
    ],
  ],
];

const SEARCH_HISTORIES: readonly [string, boolean, HistoryOperation[]][] = [
  [
    'a timed-out write that only a touch found',
    true,
    [write('a', 0, 1, INDETERMINATE), operation(2, 3, TOUCH, ok({ version: '7' }))],
  ],
  ['a touch of what nobody wrote', false, [operation(2, 3, TOUCH, ok({ version: '7' }))]],
  ['a deleted value', true, [write('a', 0, 1), operation(2, 3, remove), read(undefined, 4, 5)]],
  ['a deleted value that is back', false, [write('a', 0, 1), operation(2, 3, remove), read('a', 4, 5)]],
  [
    'a deleted value back after a timed-out write of it',
    true,
    [write('a', 0, 1), write('a', 1, 2, INDETERMINATE), operation(2, 3, remove), read('a', 4, 5)],
  ],
  [
    'a delete of unknown outcome, done late',
    true,
    [write('a', 0, 1), operation(2, 3, remove, INDETERMINATE), read('a', 4, 5), read(undefined, 6, 7)],
  ],
  [
    'a delete not applied, yet done',
    false,
    [write('a', 0, 1), operation(2, 3, remove, NOT_APPLIED), read(undefined, 4, 5)],
  ],
  ['a delete that found a value', true, [write('a', 0, 1), operation(2, 3, remove, ok({ existed: true }))]],
  [
    'a delete that missed a value',
    false,
    [write('a', 0, 1), operation(2, 3, remove, ok({ existed: false }))],
  ],
  [
    'two deletes that found one value',
    false,
    [
      write('a', 0, 1),
      operation(2, 5, remove, ok({ existed: true })),
      operation(3, 6, remove, ok({ existed: true })),
    ],
  ],
  [
    'a write that knew of a timed-out one',
    true,
    [write('a', 0, 1, INDETERMINATE), operation(2, 3, { kind: 'write', value: 'b' }, ok({ existed: true }))],
  ],
  ['a first compare-and-set', true, [operation(0, 1, cas(null, 'a')), read('a', 2, 3)]],
  ['two winners of one absence', false, [operation(0, 5, cas(null, 'a')), operation(1, 6, cas(null, 'b'))]],
  [
    'a winner and a loser of one absence',
    true,
    [operation(0, 5, cas(null, 'a')), operation(1, 6, cas(null, 'b'), MISMATCH)],
  ],
  ['a loser with no winner', false, [operation(1, 6, cas(null, 'b'), MISMATCH), read(undefined, 7, 8)]],
  [
    'a loser to a timed-out winner',
    true,
    [operation(0, 5, cas(null, 'a'), INDETERMINATE), operation(1, 6, cas(null, 'b'), MISMATCH)],
  ],
  [
    'a compare-and-set of the version written',
    true,
    [
      operation(0, 1, { kind: 'write', value: 'a' }, ok({ version: 'v1' })),
      operation(2, 3, cas('v1', 'b'), ok({ version: 'v2' })),
      read('b', 4, 5),
    ],
  ],
  [
    'a compare-and-set of a version overwritten',
    false,
    [
      operation(0, 1, { kind: 'write', value: 'a' }, ok({ version: 'v1' })),
      operation(2, 3, { kind: 'write', value: 'b' }, ok({ version: 'v2' })),
      operation(4, 5, cas('v1', 'c')),
    ],
  ],
  [
    'a compare-and-set that failed on the right version',
    false,
    [
      operation(0, 1, { kind: 'write', value: 'a' }, ok({ version: 'v1' })),
      operation(2, 3, cas('v1', 'b'), MISMATCH),
    ],
  ],
  [
    'a lost update between two compare-and-sets',
    false,
    [
      operation(0, 1, { kind: 'write', value: 'a' }, ok({ version: 'v1' })),
      operation(2, 5, cas('v1', 'b'), ok({ version: 'v2' })),
      operation(3, 6, cas('v1', 'c'), ok({ version: 'v3' })),
    ],
  ],
  [
    'a compare-and-set of a version that a read learned',
    true,
    [
      write('a', 0, 1, INDETERMINATE),
      operation(2, 3, { kind: 'read' }, ok({ value: 'a', version: 'v1' })),
      operation(4, 5, cas('v1', 'b')),
    ],
  ],
  [
    'a compare-and-set of another version than a read learned',
    false,
    [
      write('a', 0, 1, INDETERMINATE),
      operation(2, 3, { kind: 'read' }, ok({ value: 'a', version: 'v1' })),
      operation(4, 5, cas('v9', 'b')),
    ],
  ],
  [
    'a counter',
    true,
    [
      operation(0, 5, add(1), ok({ value: '2' })),
      operation(1, 6, add(1), ok({ value: '1' })),
      read('2', 7, 8),
    ],
  ],
  [
    'a lost increment',
    false,
    [operation(0, 5, add(1), ok({ value: '1' })), operation(1, 6, add(1), ok({ value: '1' }))],
  ],
  [
    'a timed-out increment, done',
    true,
    [operation(0, 5, add(1), INDETERMINATE), operation(6, 7, add(1), ok({ value: '2' }))],
  ],
  [
    'a timed-out increment, done twice',
    false,
    [operation(0, 5, add(1), INDETERMINATE), operation(6, 7, add(1), ok({ value: '3' }))],
  ],
  ['a counter over text', false, [write('x', 0, 1), operation(2, 3, add(1), ok({ value: 'NaN' }))]],
  ['one value written twice', true, [write('a', 0, 1), write('b', 2, 3), write('a', 4, 5), read('a', 6, 7)]],
];

describe('linearizability of reads and distinct writes', () => {
  it.each(REGISTER_HISTORIES)('%s: %s', (_, accepted, history) => {
    expect(isDistinctRegister(history)).toBe(true);
    expect(checkRegisterZones(history) === undefined).toBe(accepted);
    expect(checkRegisterSearch(history) === undefined).toBe(accepted);
    expect(checkLinearizability(history)).toHaveLength(accepted ? 0 : 1);
  });

  it('decides 20,000 operations at once', () => {
    const history: HistoryOperation[] = [];
    for (let at = 0; at < 10_000; at++) {
      history.push(write(`v${at}`, 4 * at, 4 * at + 6, at % 5 === 0 ? INDETERMINATE : undefined));
      history.push(read(`v${at}`, 4 * at + 7, 4 * at + 9));
    }
    expect(checkRegisterZones(history)).toBeUndefined();
    history.push(read('v5000', 50_000, 50_001));
    expect(checkRegisterZones(history)).toMatchObject({ rule: 'linearizability' });
  });
});

describe('linearizability by search', () => {
  it.each(SEARCH_HISTORIES)('%s: %s', (_, accepted, history) => {
    expect(isDistinctRegister(history)).toBe(false);
    expect(checkRegisterSearch(history) === undefined).toBe(accepted);
    expect(checkLinearizability(history)).toHaveLength(accepted ? 0 : 1);
  });

  it('checks keys apart and names the one that is wrong', () => {
    const good = [write('a', 0, 1, undefined, { key: 'good' }), read('a', 2, 3, { key: 'good' })];
    const bad = [write('a', 0, 1, undefined, { key: 'bad' }), read(undefined, 2, 3, { key: 'bad' })];
    expect(checkLinearizability([...good, ...bad])).toMatchObject([{ rule: 'linearizability', key: 'bad' }]);
  });

  it('says that it does not know rather than hang', () => {
    const many = Array.from({ length: 30 }, (_, at) => operation(at, 100 + at, add(at + 1), ok({})));
    const history = [...many, read('-1', 200, 201)];
    expect(checkLinearizability(history, { configurationsMax: 5_000 })).toMatchObject([
      { rule: 'undecided' },
    ]);
  });

  it('lets a value with a lifetime be gone, and not come back', () => {
    const expiring = operation(0, 1, { kind: 'write', value: 'a', ttlMs: 10 });
    expect(checkLinearizability([expiring, read('a', 2, 3), read(undefined, 4, 5)])).toEqual([]);
    expect(checkLinearizability([expiring, read(undefined, 2, 3), read('a', 4, 5)])).toMatchObject([
      { rule: 'linearizability' },
    ]);
  });

  it('leaves out timed-out writes that nobody saw', () => {
    const lost = Array.from({ length: 60 }, (_, at) => write(`x${at}`, at, at, INDETERMINATE));
    const history = [
      ...lost,
      operation(100, 101, { kind: 'write', value: 'a' }),
      operation(102, 103, remove),
      read('a', 104, 105),
    ];
    expect(checkLinearizability(history, { configurationsMax: 1_000 })).toMatchObject([
      { rule: 'linearizability' },
    ]);
  });
});

describe('against every order there is', { timeout: 60_000 }, () => {
  it('zones and search agree with brute force on registers', () => {
    const counts = compare(4000, 'registers', ['read', 'read', 'write', 'write'], (history) => {
      const zones = checkRegisterZones(history) === undefined;
      expect(checkRegisterSearch(history) === undefined).toBe(zones);
      return zones;
    });
    expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(800);
  });

  it('zones and search agree on longer histories', () => {
    const counts = { accepted: 0, rejected: 0 };
    for (let run = 0; run < 1500; run++) {
      const random = new SimRandom(`longer ${run}`);
      const history = randomHistory(random, ['read', 'write'], 8 + random.int(25));
      const zones = checkRegisterZones(history) === undefined;
      expect(checkRegisterSearch(history) === undefined, `run ${run}`).toBe(zones);
      counts[zones ? 'accepted' : 'rejected']++;
    }
    expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(200);
  });

  it('search agrees with brute force on everything', () => {
    const kinds: HistoryAction['kind'][] = [
      'read',
      'read',
      'write',
      'delete',
      'compareAndSet',
      'compareAndSet',
      'increment',
    ];
    const counts = compare(
      4000,
      'everything',
      kinds,
      (history) => checkRegisterSearch(history) === undefined,
    );
    expect(Math.min(counts.accepted, counts.rejected)).toBeGreaterThan(800);
  });
});

/** Checks random histories both ways; half of them are lied in, so that both answers come up. */
function compare(
  runs: number,
  seed: string,
  kinds: readonly HistoryAction['kind'][],
  accepts: (history: HistoryOperation[]) => boolean,
): { accepted: number; rejected: number } {
  const counts = { accepted: 0, rejected: 0 };
  for (let run = 0; run < runs; run++) {
    const history = randomHistory(new SimRandom(`${seed} ${run}`), kinds);
    const expected = bruteForce(history, [], undefined);
    if (accepts(history) !== expected) {
      expect.fail(
        `run ${run}: brute force says ${expected} of\n${history.map(describeOperation).join('\n')}`,
      );
    }
    counts[expected ? 'accepted' : 'rejected']++;
  }
  return counts;
}

interface Cell {
  value: string;
  version: string | undefined;
}

/** Plays some operations against one cell at random moments of their intervals, then may lie about some. */
function randomHistory(
  random: SimRandom,
  kinds: readonly HistoryAction['kind'][],
  count = 3 + random.int(5),
): HistoryOperation[] {
  const drafts = Array.from({ length: count }, (_, index) => {
    const invoked = random.between(0, 4 * count);
    const returned = invoked + random.exponential(5);
    return { index, invoked, returned, moment: random.between(invoked, returned) };
  });
  const versions = ['v1', 'v2', 'v3'];
  const expectations = [null, ...versions];
  const history: HistoryOperation[] = [];
  let cell: Cell | undefined;
  for (const { index, invoked, returned } of [...drafts].sort((a, b) => a.moment - b.moment)) {
    const kind = random.pick(kinds);
    const value = String(10 * (index + 1));
    const version = `v${index + 1}`;
    const expected: string | null = random.chance(0.5) ? (cell?.version ?? null) : random.pick(expectations);
    const action = actionOf(kind, value, expected, random);
    const fate = random.next();
    const late = fate < 0.2 && kind !== 'read';
    const lost = late && random.chance(0.5);
    const refused = fate > 0.9 && kind !== 'read';
    const before: Cell | undefined = cell;
    const told: HistoryOutcome = play(action);
    if (refused || lost) {
      cell = before;
    }
    const outcome = refused ? NOT_APPLIED : late ? INDETERMINATE : lie(told);
    history.push(operation(invoked, returned, action, outcome));

    function play(done: HistoryAction): HistoryOutcome {
      switch (done.kind) {
        case 'read':
          return ok({ value: cell?.value, version: random.chance(0.5) ? cell?.version : undefined });
        case 'write':
          cell = { value: done.value, version };
          return ok({ version });
        case 'touch':
          return ok({});
        case 'delete':
          cell = undefined;
          return random.chance(0.5) ? ok({ existed: before !== undefined }) : ok({});
        case 'compareAndSet':
          if (done.expected !== (cell?.version ?? null)) {
            return MISMATCH;
          }
          cell = { value: done.value, version };
          return ok({ version });
        case 'increment':
          cell = { value: String(Number(cell?.value ?? 0) + done.by), version };
          return ok({ value: cell.value, version });
      }
    }
  }
  return history;

  function lie(told: HistoryOutcome): HistoryOutcome {
    if (told.kind !== 'ok' || !random.chance(0.2)) {
      return told;
    }
    return 'value' in told ? { kind: 'ok', value: random.pick([undefined, '10', '20', '30']) } : told;
  }
}

function actionOf(
  kind: HistoryAction['kind'],
  value: string,
  expected: string | null,
  random: SimRandom,
): HistoryAction {
  switch (kind) {
    case 'write':
      return { kind, value };
    case 'compareAndSet':
      return { kind, value, expected };
    case 'increment':
      return { kind, by: 1 + random.int(2) };
    case 'touch':
      return { kind, ttlMs: 0 };
    default:
      return { kind };
  }
}

/** Whether some order of `rest`, with unknown ones done or not, explains all outcomes. No cleverness at all. */
function bruteForce(rest: HistoryOperation[], order: HistoryOperation[], cell: Cell | undefined): boolean {
  const left = rest.filter(({ outcome }) => outcome.kind !== 'notApplied');
  if (left.every(({ outcome }) => outcome.kind === 'indeterminate')) {
    return true;
  }
  return left.some((next) => {
    const blocked = left.some((other) => other !== next && other.returned < next.invoked);
    if (blocked) {
      return false;
    }
    const after = effect(next, cell === undefined ? undefined : { ...cell });
    return (
      after !== 'impossible' &&
      bruteForce(
        left.filter((other) => other !== next),
        [...order, next],
        after,
      )
    );
  });
}

function effect(
  { action, outcome }: HistoryOperation,
  cell: Cell | undefined,
): Cell | undefined | 'impossible' {
  const told: { value?: string; version?: string; existed?: boolean } = outcome.kind === 'ok' ? outcome : {};
  if (told.existed !== undefined && told.existed !== (cell !== undefined)) {
    return 'impossible';
  }
  if (action.kind === 'read') {
    if (cell?.value !== told.value) {
      return 'impossible';
    }
    if (cell !== undefined && told.version !== undefined) {
      cell.version ??= told.version;
      return cell.version === told.version ? cell : 'impossible';
    }
    return cell;
  }
  if (action.kind === 'delete') {
    return undefined;
  }
  if (action.kind === 'compareAndSet') {
    const mismatched = outcome.kind === 'mismatch';
    const next = { value: action.value, version: told.version };
    const compared = (same: boolean): Cell | undefined | 'impossible' =>
      same === mismatched ? 'impossible' : same ? next : cell;
    if (action.expected === null) {
      return compared(cell === undefined);
    }
    // Nobody was told this version: it may be any.
    const unknown = cell !== undefined && cell.version === undefined;
    return unknown ? (mismatched ? cell : next) : compared(cell?.version === action.expected);
  }
  if (action.kind === 'touch') {
    return 'impossible';
  }
  const value = action.kind === 'write' ? action.value : String(Number(cell?.value ?? 0) + action.by);
  const wrong = action.kind === 'increment' && told.value !== undefined && told.value !== value;
  return wrong ? 'impossible' : { value, version: told.version };
}
