/** Clients of an eventual namespace: overwritten keys, and keys that are written once and deleted once. */
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type ClientDesk, type Target } from './client-desk.js';
import { readConverged } from './convergence.js';
import { read, remove, write } from './item-requests.js';
import { judgeEventual } from './judge.js';
import { KeyPool, type PoolKey } from './key-pool.js';
import { type ChaosFinding, type Client, type Mix, type Workload } from './workload.js';

type Kind = 'overwritten' | 'deleted';

interface EventualKey extends PoolKey<Kind> {
  /** Of a key that is deleted once: how far it has come. */
  phase: 'new' | 'busy' | 'written' | 'done';
  version: string | undefined;
}

/** Of the changes. */
const DELETE_SHARE = 0.2;
/** At each operation on a key that is deleted once. */
const DELETE_ONCE_CHANCE = 0.03;

export class EventualWorkload implements Workload {
  private readonly pool: KeyPool<Kind, EventualKey>;
  private values = 0;
  checkersMs = 0;

  constructor(
    readonly desk: ClientDesk,
    random: SimRandom,
    /** Names this run: keys of another one in the same store must not meet these. */
    private readonly name: string,
    private readonly settleWithinMs: number,
    private readonly mix: Mix,
  ) {
    const create = (key: string, kind: Kind, left: number): EventualKey => ({
      key,
      kind,
      left,
      phase: 'new',
      version: undefined,
    });
    const kinds = ['overwritten', 'overwritten', 'deleted'] as const;
    this.pool = new KeyPool({ prefix: name, kinds, create }, random.fork('keys'));
  }

  async step(client: Client): Promise<boolean> {
    const key = this.pool.pick();
    if (key.kind === 'deleted') {
      return this.stepDeleted(client, key);
    }
    const { random } = client;
    if (!random.chance(this.mix.changes)) {
      return this.read(client, key);
    }
    const asked = { client: client.name, key: key.key };
    const demand = random.chance(DELETE_SHARE) ? remove(asked) : write(asked, this.nextValue());
    return (await this.desk.perform(client.target, demand)).healthy;
  }

  async close(targets: readonly Target[]): Promise<readonly ChaosFinding[]> {
    const keys = this.pool.takeUsed().map(({ key }) => key);
    const { converged, diverged, findings } = await readConverged(
      this.desk,
      targets,
      keys,
      this.settleWithinMs,
    );
    const startedMs = performance.now();
    const judged = judgeEventual(this.desk.recorder.take(), converged, diverged);
    this.checkersMs += performance.now() - startedMs;
    return [...findings, ...judged];
  }

  /**
   * A delete that found the only value ever written has a version above that one's, though nobody tells it: enough to
   * see a resurrection. So this kind of key is written once, deleted once, and read all the time.
   */
  private async stepDeleted(client: Client, key: EventualKey): Promise<boolean> {
    const asked = { client: client.name, key: key.key };
    if (key.phase === 'new') {
      key.phase = 'busy';
      const { outcome, healthy } = await this.desk.perform(client.target, write(asked, this.nextValue()));
      key.version = outcome.kind === 'ok' ? outcome.version : undefined;
      key.phase = key.version === undefined ? 'done' : 'written';
      return healthy;
    }
    if (key.phase === 'written' && client.random.chance(DELETE_ONCE_CHANCE)) {
      key.phase = 'done';
      const above = `${key.version}~`;
      const demand = remove(asked, ({ removed }) => (removed === true ? above : undefined));
      return (await this.desk.perform(client.target, demand)).healthy;
    }
    return this.read(client, key);
  }

  private async read({ name, random, target }: Client, { key }: EventualKey): Promise<boolean> {
    const level = random.chance(this.mix.majorityReads) ? 'quorum' : 'one';
    return (await this.desk.perform(target, read({ client: name, key }, level))).healthy;
  }

  private nextValue(): string {
    return `${this.name} ${this.values++}`;
  }
}
