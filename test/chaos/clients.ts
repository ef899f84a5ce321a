/** Many clients at once, each with one request under way, each turning to another node when its own is in trouble. */
import { setTimeout as pause } from 'node:timers/promises';
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type Target } from './client-desk.js';
import { type Workload } from './workload.js';

const AFTER_TROUBLE_MS = 20;
/** Now and then a client goes elsewhere, or all would end at the node that was never hurt. */
const ROVING_CHANCE = 0.002;

export class Clients {
  private running = true;
  private readonly ended: Promise<unknown>;

  /** They begin at once. */
  constructor(
    count: number,
    targets: readonly Target[],
    private readonly workload: Workload,
    random: SimRandom,
    /** Real time, unless the store under test has one of its own. */
    private readonly rest: (ms: number) => Promise<unknown> = pause,
  ) {
    this.ended = Promise.all(
      Array.from({ length: count }, (_, index) => {
        const name = `client ${index}`;
        return this.live(name, index % targets.length, targets, random.fork(name));
      }),
    );
  }

  /** No client begins anything more; resolves when all have their last answer. */
  async end(): Promise<void> {
    this.running = false;
    await this.ended;
  }

  private async live(
    name: string,
    home: number,
    targets: readonly Target[],
    random: SimRandom,
  ): Promise<void> {
    let at = home;
    const next = () => (at + 1 + random.int(targets.length - 1)) % targets.length;
    while (this.running) {
      const client = { name, random, target: targets[at]!, other: targets[next()]! };
      const healthy = await this.workload.step(client);
      if (!healthy) {
        at = next();
        await this.rest(AFTER_TROUBLE_MS);
      } else if (random.chance(ROVING_CHANCE)) {
        at = next();
      }
    }
  }
}
