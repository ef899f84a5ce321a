/** Random runs: appends, kills, losses of power and failing disks against a model of what was acknowledged. */
import { describe, expect, it } from 'vitest';
import { LogMachine } from '../../../testing/simulation/log-machine.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { type LogDurability } from './log-writer.js';

const RUNS = 100;
const STEPS = 40;
const GROUPS = 3;

/** What a log may and must hold. */
class Model {
  /** Texts by group, index 1 first; those acknowledged and those perhaps there, behind them. */
  readonly logs = new Map<number, string[]>();
  acknowledged = 0;
  /** In the order of their appends. */
  readonly sent: { readonly lines: readonly string[]; state: 'waiting' | 'ok' | 'failed' }[] = [];
}

class Run {
  readonly machine: LogMachine;
  private readonly random: SimRandom;
  private readonly model = new Model();
  private count = 0;
  private covered = 0;
  private mayLose: boolean;

  constructor(
    private readonly seed: number,
    private readonly durability: LogDurability,
  ) {
    this.random = new SimRandom(`run ${durability} ${seed}`);
    this.mayLose = false;
    this.machine = new LogMachine(
      { durability, segmentBytesMax: 400, pendingBytesMax: 2_000, reserveBytes: 500 },
      `disk ${durability} ${seed}`,
    );
  }

  async go(): Promise<void> {
    await this.machine.open();
    for (let step = 0; step < STEPS; step++) {
      await this.step();
    }
    await this.reopen();
  }

  private async step(): Promise<void> {
    const { machine, random } = this;
    const choice = random.int(20);
    if (choice < 12) {
      this.send();
      await machine.scheduler.runFor(random.chance(0.5) ? 0 : random.between(0, 3));
    } else if (choice < 14) {
      await machine.scheduler.runFor(1_200);
    } else if (choice === 14) {
      this.breakDisk();
    } else if (choice === 15) {
      machine.folder.heal();
      await machine.scheduler.runFor(1_500);
    } else if (choice === 16) {
      // Everything acknowledged and told so far is in the store.
      this.covered = this.count;
      machine.log.release({ indexOf: () => this.covered, batchesUpTo: Infinity });
    } else if (choice === 17) {
      await this.close();
      await this.reopen();
    } else {
      await this.reopen(choice === 19);
    }
  }

  /** One append of one to three entries; the index is the same for all groups, and rises. */
  private send(): void {
    const { machine, random, model } = this;
    const lines: string[] = [];
    for (let left = 1 + random.int(3); left > 0; left--) {
      const group = random.int(GROUPS);
      const index = ++this.count;
      const data = `${this.seed}-${index}-${'x'.repeat(random.int(60))}`;
      machine.add(group, index, data);
      lines.push(`operations ${group} 1/${index} ${data}`);
    }
    const append: (typeof model.sent)[number] = { lines, state: 'waiting' };
    model.sent.push(append);
    machine.log.flush((error) => {
      append.state = error ? 'failed' : 'ok';
    });
  }

  private breakDisk(): void {
    const { machine, random } = this;
    const kinds = [
      { capacityBytes: machine.folder.bytes + random.int(400) },
      { openErrorRate: 0.5 },
      { writeErrorRate: 0.3, writeErrorCode: 'EAGAIN', truncateErrorRate: 0.5 },
      { writeErrorRate: 0.3 },
      { syncErrorRate: 0.3 },
      { stalled: true },
    ];
    machine.folder.setFaults(random.pick(kinds));
  }

  private async close(): Promise<void> {
    this.machine.folder.heal();
    await this.machine.do(this.machine.log.close()).catch(() => undefined);
  }

  private async reopen(losesPower = false): Promise<void> {
    const { machine, durability } = this;
    machine.kill();
    machine.folder.heal();
    if (losesPower) {
      machine.folder.losePower();
    }
    this.mayLose = losesPower && durability === 'wal';
    await machine.open({ cutDamage: this.mayLose });
    this.check();
    if (machine.end.forgot !== undefined) {
      await machine.do(machine.log.acceptEnd());
    }
  }

  /** In order; all that was acknowledged above what is in the store; of the rest, appends are whole or not there. */
  private check(): void {
    const { machine, model } = this;
    const found = machine.replayed;
    const indexes = found.map((line) => Number(/\/(\d+)/.exec(line)![1]));
    expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
    expect(new Set(indexes).size).toBe(indexes.length);
    const there = new Set(found);
    const known = new Set(model.sent.flatMap(({ lines }) => lines));
    expect(found.filter((line) => !known.has(line))).toEqual([]);
    for (const { lines, state } of model.sent) {
      const isInStore = lines.every((line) => Number(/\/(\d+)/.exec(line)![1]) <= this.covered);
      const count = lines.filter((line) => there.has(line)).length;
      if (!isInStore && !this.mayLose) {
        expect(count === 0 || count === lines.length, `${lines.join()} in part`).toBe(true);
        expect(state !== 'ok' || count > 0, `lost: ${lines.join()}`).toBe(true);
      }
    }
    if (!this.mayLose) {
      expect(machine.end.forgot).toBeUndefined();
    }
    // From here on what is there has been shown, and what is not is lost.
    for (const append of model.sent) {
      append.state = append.lines.every((line) => there.has(line)) ? 'ok' : 'failed';
    }
  }
}

describe.each<LogDurability>(['fsync', 'wal'])('under %s', (durability) => {
  it(`a log holds what it acknowledged over ${RUNS} runs of crashes and failing disks`, async () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const run = new Run(seed, durability);
      try {
        await run.go();
      } catch (error) {
        const trace = run.machine.trace.tail(60).join('\n');
        throw new Error(`Seed ${seed}: ${String(error)}\n${trace}`, { cause: error });
      }
    }
  });

  it('a seed is a run', async () => {
    const digests = [];
    for (let round = 0; round < 2; round++) {
      const run = new Run(7, durability);
      await run.go();
      digests.push(run.machine.trace.digest);
    }
    expect(digests[0]).toBe(digests[1]);
  });
});
