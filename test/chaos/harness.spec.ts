/** The harness itself: what it records of a good store is found good, and every planted bug is seen. */
import { describe, expect, it } from 'vitest';
import {
  type HistoryAction,
  type HistoryOutcome,
  type HistoryStart,
} from '../../libs/dkv/testing/simulation/history.js';
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { SimScheduler } from '../../libs/dkv/testing/simulation/sim-scheduler.js';
import { type Mode } from './chaos-cluster.js';
import { describeChaosFindings } from './chaos-report.js';
import { ClientDesk } from './client-desk.js';
import { Clients } from './clients.js';
import { EventualWorkload } from './eventual-workload.js';
import { FaultPlan } from './fault-plan.js';
import { judgeEventual, judgeStrong } from './judge.js';
import { checkLocks } from './lock-checker.js';
import { type PlantedBug, PretendStore } from './pretend-store.js';
import { Recorder } from './recorder.js';
import { StrongWorkload } from './strong-workload.js';
import { type ChaosFinding, type Mix } from './workload.js';

const V1 = '000000000001-0000-a!00000001';
const V2 = '000000000002-0000-a!00000001';

type Step = readonly [HistoryAction, HistoryOutcome, incarnation?: string];

/** One after the other, as one client would. */
function recorded(steps: readonly Step[]) {
  const recorder = new Recorder();
  for (const [action, outcome, incarnation = 'node1#1'] of steps) {
    const start: HistoryStart = { client: 'c', key: 'k', action, incarnation };
    recorder.begin(start)(outcome);
  }
  return recorder.take();
}

const write = (value: string, version: string): Step => [
  { kind: 'write', value, level: 'quorum' },
  { kind: 'ok', version },
];
const refused = (value: string): Step => [{ kind: 'write', value, level: 'quorum' }, { kind: 'notApplied' }];
const read = (value: string | undefined, level?: 'one' | 'quorum', incarnation?: string): Step => [
  { kind: 'read', level },
  { kind: 'ok', value },
  incarnation,
];
const add = (by: number, value: number): Step => [
  { kind: 'increment', by },
  { kind: 'ok', value: String(value) },
];

describe('a strong history', () => {
  it.each<[string, Step[], string[]]>([
    ['writes and reads in turn', [write('a', V1), read('a'), write('b', V2), read('b')], []],
    ['a trailing read at one of another node', [write('a', V1), read(undefined, 'one', 'node2#1')], []],
    ['a refused write that nobody sees', [refused('a'), read(undefined), read(undefined, 'one')], []],
    ['a counter', [add(2, 2), add(3, 5), read('5')], []],
    [
      'a stale linearizable read',
      [write('a', V1), write('b', V2), read('a')],
      ['linearizability', 'own-writes'],
    ],
    ['a lost acknowledged write', [write('a', V1), read(undefined)], ['linearizability', 'own-writes']],
    ['a refused write that is seen', [refused('a'), read('a')], ['linearizability', 'phantom']],
    ['a refused write that is seen at one', [refused('a'), read('a', 'one')], ['phantom']],
    ['an own write not seen at one', [write('a', V1), read(undefined, 'one')], ['own-writes']],
    ['a counter that counted twice', [add(2, 2), read('4')], ['linearizability']],
    ['an increment from nowhere', [add(2, 2), add(2, 6)], ['linearizability']],
  ])('of %s', (_, steps, rules) => {
    expect(judgeStrong(recorded(steps)).map(({ rule }) => rule)).toEqual(rules);
  });
});

describe('an eventual history', () => {
  const gone: Step = [
    { kind: 'delete', level: 'quorum' },
    { kind: 'ok', version: `${V1}~`, existed: true },
  ];
  it.each<[string, Step[], [string, string] | undefined, string[]]>([
    ['a write that stays', [write('a', V1), read('a', 'quorum')], ['a', V1], []],
    ['a delete that stays', [write('a', V1), gone, read(undefined, 'quorum')], undefined, []],
    ['a newer write that wins', [write('a', V1), write('b', V2)], ['b', V2], []],
    ['a lost acknowledged write', [write('a', V1)], undefined, ['lost-write']],
    ['an older write that wins', [write('a', V1), write('b', V2)], ['a', V1], ['lost-write']],
    ['a deleted value that is back', [write('a', V1), gone], ['a', V1], ['resurrection']],
    [
      'a quorum read that misses a write',
      [write('a', V1), read(undefined, 'quorum', 'node2#1')],
      ['a', V1],
      ['quorum-read'],
    ],
    ['a refused write that stays', [refused('a')], ['a', V1], ['phantom']],
  ])('of %s', (_, steps, end, rules) => {
    const converged = new Map(end ? [['k', { value: end[0], version: end[1] }]] : []);
    expect(judgeEventual(recorded(steps), converged).map(({ rule }) => rule)).toEqual(rules);
  });
});

describe('holds of a lock', () => {
  const hold = (fencing: number, invoked: number, returned: number, heldUntil: number) => ({
    key: 'l',
    client: `c${invoked}`,
    fencing,
    invoked,
    returned,
    heldUntil,
  });
  it.each([
    ['one after the other', [hold(1, 0, 1, 5), hold(2, 4, 7, 9)], []],
    ['the first one expired', [hold(1, 0, 1, 1), hold(2, 3, 4, 9)], []],
    ['both at once', [hold(1, 0, 1, 9), hold(2, 3, 4, 7)], ['mutual-exclusion']],
    ['one token twice', [hold(1, 0, 1, 2), hold(1, 3, 4, 5)], ['fencing']],
    ['tokens that fall', [hold(2, 0, 1, 2), hold(1, 3, 4, 5)], ['fencing']],
    ['tokens of concurrent requests', [hold(2, 0, 5, 5), hold(1, 1, 4, 4)], []],
  ])('are judged: %s', (_, holds, rules) => {
    expect(checkLocks(holds).map(({ rule }) => rule)).toEqual(rules);
  });
});

describe('clients of a store in this process', () => {
  const OPERATIONS = 6_000;
  const MIX: Mix = { changes: 0.4, majorityReads: 0.4 };

  async function run(mode: Mode, bug?: PlantedBug) {
    const scheduler = new SimScheduler();
    const store = new PretendStore(scheduler, bug);
    const desk = new ClientDesk(new Recorder());
    const random = new SimRandom('harness');
    const workload =
      mode === 'strong'
        ? new StrongWorkload(desk, random, 's', MIX)
        : new EventualWorkload(desk, random, 'e', 0, MIX);
    const rest = (ms: number) => scheduler.sleep(ms);
    const judged = async () => {
      const clients = new Clients(32, store.targets, workload, random, rest);
      while (desk.recorder.counts.operations < OPERATIONS) {
        await rest(10);
      }
      await clients.end();
      store.heal();
      return workload.close(store.targets);
    };
    return { desk, findings: await scheduler.settle(judged()) };
  }

  it.each<Mode>(['strong', 'eventual'])('do the same in every run: %s', async (mode) => {
    const [one, other] = [await run(mode, 'shows refused writes'), await run(mode, 'shows refused writes')];
    expect(other.desk.recorder.counts).toEqual(one.desk.recorder.counts);
    expect(describeChaosFindings(other.findings)).toBe(describeChaosFindings(one.findings));
  });

  it.each<Mode>(['strong', 'eventual'])('find nothing wrong with a right one: %s', async (mode) => {
    const { desk, findings } = await run(mode);
    const { counts } = desk.recorder;
    expect(describeChaosFindings(findings)).toBe('');
    expect(desk.unexpected).toEqual([]);
    for (const count of [counts.acknowledged, counts.notApplied, counts.unread]) {
      expect(count).toBeGreaterThan(0);
    }
    expect(mode === 'strong' ? desk.repeated : counts.indeterminate).toBeGreaterThan(0);
  });

  it.each<[Mode, PlantedBug, string[]]>([
    ['strong', 'loses acknowledged writes', ['linearizability']],
    ['strong', 'reads what was there before', ['linearizability']],
    ['strong', 'counts twice', ['linearizability']],
    ['strong', 'brings deleted values back', ['linearizability']],
    ['strong', 'shows refused writes', ['linearizability', 'phantom']],
    ['strong', 'gives a lock to two', ['mutual-exclusion']],
    ['strong', 'forgets request ids', ['linearizability']],
    ['eventual', 'loses acknowledged writes', ['lost-write']],
    ['eventual', 'reads what was there before', ['quorum-read']],
    ['eventual', 'brings deleted values back', ['resurrection']],
    ['eventual', 'shows refused writes', ['phantom']],
  ])('see that a %s store %s', async (mode, bug, rules) => {
    const { findings } = await run(mode, bug);
    expect(rulesOf(findings)).toEqual(expect.arrayContaining(rules));
  });
});

describe('a plan of faults', () => {
  const settings = {
    nodes: 3,
    smallDisk: 2,
    losesDisks: true,
    linkFaults: ['cut', 'clog'],
    short: true,
  } as const;
  const drawn = (seed: string, count: number) => {
    const plan = new FaultPlan(settings, new SimRandom(seed));
    return { plan, faults: Array.from({ length: count }, () => plan.next()) };
  };

  it('is the same for the same seed', () => {
    expect(drawn('1', 30).faults).toEqual(drawn('1', 30).faults);
    expect(drawn('1', 30).faults).not.toEqual(drawn('2', 30).faults);
  });

  it('holds every kind before one comes again, between different nodes', () => {
    const { plan, faults } = drawn('3', 9);
    expect(faults.map(({ kind }) => kind).sort()).toEqual([...plan.kinds].sort());
    expect(plan.complete).toBe(true);
    expect(faults.filter(({ node, peer }) => node === peer)).toEqual([]);
    expect(faults.find(({ kind }) => kind === 'full disk')?.node).toBe(2);
  });
});

function rulesOf(findings: readonly ChaosFinding[]): string[] {
  return [...new Set(findings.map(({ rule }) => rule))];
}
