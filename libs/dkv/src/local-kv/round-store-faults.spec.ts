/** The rounds of strong keys when disks fail and processes die: what was answered is there. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { rejected } from '../../testing/caught.js';
import { microtasks } from '../../testing/microtasks.js';
import { Incarnation } from '../../testing/simulation/incarnation.js';
import { SimDisk } from '../../testing/simulation/sim-disk.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { SimScheduler } from '../../testing/simulation/sim-scheduler.js';
import { simHome } from '../../testing/simulation/sim-store-engine.js';
import { SimTrace } from '../../testing/simulation/trace.js';
import { accept, learn, prepare } from '../consensus/rules.js';
import { type Version } from '../model/version.js';
import { type KeyRound, type LocalKvRepo, type RoundChange } from '../ports/local-kv-repo.js';
import { recordKey, roundKey } from './disk-keys.js';
import { EngineLocalKvRepo } from './engine-local-kv-repo.js';

import {
  IDENTITY,
  idOf,
  ID,
  ballot,
  recordOf,
  tombstoneOf,
  Bench,
  assertInStep,
  plain,
} from '../../testing/rounds-bench.js';

it('what is settled is stored also when there is room for no other write', async () => {
  const bench = await Bench.open({ pendingBytesMax: 6_000 });
  await bench.accept(recordOf('k', 1, 2_000));
  const release = bench.holdUp();
  const filling = bench.accept(recordOf('other', 2, 5_000));
  await microtasks();
  expect((await rejected(bench.accept(recordOf('third', 3, 2_000)))).code).toBe('DKV_OVERLOADED');
  await bench.repo.settle(ID, ballot(1));
  expect(await bench.shown()).toMatchObject({ version: ballot(1) });
  release();
  await filling;
  await bench.reopen();
  expect(await bench.round()).toEqual({ committed: 1, promised: 1, accepted: [1, 1] });
  await assertInStep(bench.repo);
});

describe('when the disk fails', () => {
  it.each([0, 1_000_000])(
    'nothing of the change is in force, and no more are taken (%i bytes of cache)',
    async (cacheBytesMax) => {
      const bench = await Bench.open({ cacheBytesMax });
      await bench.change('k', { promised: ballot(1) });
      bench.engine.batchError = new Error('ENOSPC');
      expect((await rejected(bench.accept(recordOf('k', 2)))).code).toBe('DKV_STORAGE_FAILED');
      expect(await bench.round()).toEqual({ committed: 0, promised: 1, accepted: [0, 0] });
      expect(bench.unsettled).toEqual([]);
      for (const work of [bench.change('k', { promised: ballot(3) }), bench.repo.settle(ID, ballot(2))]) {
        expect((await rejected(work)).code).toBe('DKV_READ_ONLY');
      }
      expect(bench.repo.failure).toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    },
  );

  it('to read, it is told and the node goes on', async () => {
    const bench = await Bench.open();
    bench.engine.readError = new Error('EIO');
    let runs = 0;
    expect((await rejected(bench.repo.getRound(ID))).code).toBe('DKV_STORAGE_FAILED');
    expect((await rejected(bench.repo.updateRound(ID, () => void runs++))).code).toBe('DKV_STORAGE_FAILED');
    expect(runs).toBe(0);
    bench.engine.readError = undefined;
    await bench.change('k', { promised: ballot(1) });
  });

  it.each<[string, (bench: Bench) => Promise<void>]>([
    [
      'a round that is damaged',
      async ({ engine }) =>
        engine.batch([{ type: 'put', key: roundKey(ID), value: Buffer.from('no round') }]),
    ],
    [
      "another key's round",
      async ({ engine }) => {
        const value = (await engine.get(roundKey(idOf('l'))))!;
        await engine.batch([{ type: 'put', key: roundKey(ID), value }]);
      },
    ],
    [
      'a round whose record is gone',
      async ({ engine }) => engine.batch([{ type: 'del', key: recordKey(ID) }]),
    ],
  ])('and has %s, the key and the remedy are named', async (_, damage) => {
    const bench = await Bench.open();
    await bench.accept(recordOf('l', 1));
    await bench.accept(recordOf('k', 1, 10_000));
    await bench.repo.settle(ID, ballot(1));
    await bench.repo.updateRound(ID, () => undefined);
    await damage(bench);
    await bench.reopen();
    const error = await rejected(bench.repo.getRound(ID));
    expect(error.code).toBe('DKV_CORRUPT_RECORD');
    expect(error.message).toMatch(/"k".*\/data\/n1.*Remove this node's data folder/);
    expect(await bench.round('l')).toEqual({ committed: 0, promised: 1, accepted: [1, 1] });
  });
});

interface Crash {
  readonly durability: 'wal' | 'fsync';
  /** The power goes too, not the process alone. */
  readonly power: boolean;
}

/** What the rounds of one key must still know, as numbers. */
interface Known {
  promised: Version;
  accepted: Version;
  learnt: Version;
}

/** A node that takes part in rounds, crashes and comes back, four times; what it lost. */
async function crashes(seed: number, { durability, power }: Crash): Promise<string[]> {
  const scheduler = new SimScheduler();
  const random = new SimRandom(seed);
  const disk = new SimDisk({ scheduler, trace: new SimTrace(), random: random.fork('disk'), name: 'n1' });
  const known = new Map<string, Known>();
  const lost: string[] = [];
  let incarnation = new Incarnation('n1', 1);
  let at = 0;
  let answers = 0;
  for (let life = 0; life < 4; life++) {
    disk.setFaults({ writeErrorRate: 0.01, syncErrorRate: 0.01 });
    const options = { durability, pendingBytesMax: 1e9, cacheBytesMax: 3_000, logger: new CapturedLog() };
    const repo = new EngineLocalKvRepo(simHome(disk, incarnation), options);
    await scheduler.settle(repo.open(IDENTITY));
    await scheduler.settle(compare(repo, known, lost, `seed ${seed}, life ${life}`));
    const client = async (): Promise<void> => {
      while (repo.failure === undefined) {
        await act(repo).then(
          () => answers++,
          () => undefined,
        );
      }
    };
    const act = async (of: LocalKvRepo): Promise<void> => {
      const id = idOf(`k${random.int(6)}`);
      const now = ballot(++at);
      const record = random.chance(0.2)
        ? tombstoneOf(id.key, at)
        : recordOf(id.key, at, random.pick([1, 2_000]));
      const before = await of.getRound(id);
      if (random.chance(0.2) && before.accepted) {
        await of.settle(id, before.accepted.record.version);
        return;
      }
      const rule = random.pick([
        (round: KeyRound) => prepare(round, now).change,
        (round: KeyRound) => accept(round, now, record, '').change,
        (round: KeyRound) => learn(round, record),
      ]);
      let change: RoundChange | undefined;
      await of.updateRound(id, (round) => (change = rule(round)));
      note(known, id.key, change);
    };
    for (let clients = 0; clients < 4; clients++) {
      void client();
    }
    await scheduler.runFor(random.between(0, 25));
    incarnation.kill();
    incarnation = incarnation.next();
    if (power) {
      disk.losePower();
    }
  }
  expect(answers).toBeGreaterThan(0);
  return lost;
}

/** It is acknowledged: from now on the key must know this. */
function note(known: Map<string, Known>, key: string, change: RoundChange | undefined): void {
  const before = known.get(key) ?? { promised: '', accepted: '', learnt: '' };
  const later = (one: Version, two: Version = '') => (two > one ? two : one);
  known.set(key, {
    promised: later(before.promised, change?.promised),
    accepted: later(before.accepted, change?.accepted?.ballot),
    learnt: later(before.learnt, change?.committed?.version),
  });
}

async function compare(
  repo: LocalKvRepo,
  known: ReadonlyMap<string, Known>,
  lost: string[],
  when: string,
): Promise<void> {
  await assertInStep(repo, when);
  const open: string[] = [];
  for (let number = 0; number < 6; number++) {
    const key = `k${number}`;
    const { promised, accepted, committed } = await repo.getRound(idOf(key));
    const must = known.get(key) ?? { promised: '', accepted: '', learnt: '' };
    const has = { promised, accepted: accepted?.ballot ?? '', learnt: committed?.version ?? '' };
    for (const what of ['promised', 'accepted', 'learnt'] as const) {
      if (has[what] < must[what]) {
        lost.push(`${when}: ${key} ${what} ${must[what]}, and has ${has[what]}`);
      }
    }
    expect(await repo.get(idOf(key)), when).toEqual(committed);
    if (accepted && accepted.record.version > (committed?.version ?? '')) {
      open.push(key);
    }
  }
  expect([...repo.unsettled()].map(({ key }) => key).sort(), when).toEqual(open);
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe('after a crash', { timeout: 60_000 }, () => {
  it.each<Crash>([
    { durability: 'wal', power: false },
    { durability: 'fsync', power: false },
    { durability: 'fsync', power: true },
  ])('all that was answered is there, marks, trees and counters fit it: %j (seeded)', async (crash) => {
    for (const seed of SEEDS) {
      expect(await crashes(seed, crash)).toEqual([]);
    }
  });

  it('of the machine, with durability wal, answers are lost: the disk tells them apart (seeded)', async () => {
    const lost = await Promise.all(SEEDS.map((seed) => crashes(seed, { durability: 'wal', power: true })));
    expect(lost.flat().length).toBeGreaterThan(0);
  });

  it('a record that was settled and shown is not lost, though its settle may be', async () => {
    for (const seed of SEEDS) {
      const scheduler = new SimScheduler();
      const random = new SimRandom(seed);
      const disk = new SimDisk({ scheduler, trace: new SimTrace(), random, name: 'n1' });
      const options = {
        durability: 'fsync',
        pendingBytesMax: 1e9,
        cacheBytesMax: 0,
        logger: new CapturedLog(),
      } as const;
      const before = new Incarnation('n1', 1);
      const repo = new EngineLocalKvRepo(simHome(disk, before), options);
      await scheduler.settle(repo.open(IDENTITY));
      const record = recordOf('k', 1, 2_000);
      const change = { promised: ballot(1), accepted: { ballot: ballot(1), record } };
      await scheduler.settle(repo.updateRound(ID, () => change));
      await scheduler.settle(repo.settle(ID, ballot(1)));
      expect(await scheduler.settle(repo.get(ID))).toMatchObject({ version: ballot(1) });
      before.kill();
      disk.losePower();

      const after = new EngineLocalKvRepo(simHome(disk, before.next()), options);
      await scheduler.settle(after.open(IDENTITY));
      const round = await scheduler.settle(after.getRound(ID));
      expect(plain(round.accepted!.record), `seed ${seed}`).toEqual(plain(record));
      expect([...after.unsettled()], `seed ${seed}`).toEqual(round.committed ? [] : [ID]);
    }
  });
});
