/** Clients of a strong namespace: registers, compare-and-set, counters and locks, each on keys of its own. */
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { fewAtOnce } from '../e2e/few-at-once.js';
import { type ClientDesk, type Demand, type Target } from './client-desk.js';
import { compareAndSet, increment, read, remove, write } from './item-requests.js';
import { judgeStrong } from './judge.js';
import { KeyPool, type PoolKey } from './key-pool.js';
import { checkLocks } from './lock-checker.js';
import { LockClients, type LockState } from './lock-clients.js';
import { type ChaosFinding, type Client, type Mix, type Workload } from './workload.js';

type Kind = 'register' | 'compare' | 'counter' | 'lock';

interface StrongKey extends PoolKey<Kind>, LockState {
  /** The version that somebody saw last: what the next compare-and-set expects. */
  version: string | null;
}

const KINDS: readonly Kind[] = [
  ...Array.from({ length: 4 }, () => 'register' as const),
  ...Array.from({ length: 3 }, () => 'compare' as const),
  'counter',
  'lock',
];
/** On counters, which have no reads at `one`: values that nobody wrote cannot be judged that way. */
const READ_COUNTER_SHARE = 0.5;
const DELETE_SHARE = 0.15;
/** A compare-and-set that is bound to fail is a check too. */
const STALE_SHARE = 0.1;
/** Operations of counters and locks all need a majority; their keys get a quarter of the others' number. */
const DEAR_COST = 4;

export class StrongWorkload implements Workload {
  private readonly pool: KeyPool<Kind, StrongKey>;
  private readonly locks: LockClients;
  private values = 0;
  checkersMs = 0;

  constructor(
    readonly desk: ClientDesk,
    random: SimRandom,
    /** Names this run: keys of another one in the same store must not meet these. */
    private readonly name: string,
    private readonly mix: Mix,
  ) {
    const create = (key: string, kind: Kind, left: number): StrongKey => ({
      key,
      kind,
      left,
      version: null,
      given: [],
    });
    this.pool = new KeyPool({ prefix: name, kinds: KINDS, create }, random.fork('keys'));
    this.locks = new LockClients(desk);
  }

  async step(client: Client): Promise<boolean> {
    const key = this.pool.pick();
    const { random } = client;
    if (key.kind === 'lock') {
      key.left -= DEAR_COST - 1;
      return this.locks.step(client, key);
    }
    if (key.kind === 'counter') {
      key.left -= DEAR_COST - 1;
    }
    const isCounter = key.kind === 'counter';
    if (random.chance(isCounter ? READ_COUNTER_SHARE : 1 - this.mix.changes)) {
      const level = isCounter || random.chance(this.mix.majorityReads) ? 'linearizable' : 'one';
      const demand = read({ client: client.name, key: key.key }, level, folderOf(key));
      return this.ask(client.target, key, demand);
    }
    return this.ask(client.target, key, this.change(client, key));
  }

  async close(targets: readonly Target[]): Promise<readonly ChaosFinding[]> {
    const keys = this.pool.takeUsed().filter(({ kind }) => kind !== 'lock');
    await fewAtOnce(keys, async (key) => {
      for (const [index, target] of targets.entries()) {
        const asked = { client: `last reader ${index}`, key: key.key };
        await this.desk.perform(target, read(asked, 'linearizable', folderOf(key)));
      }
    });
    const startedMs = performance.now();
    const findings = [...judgeStrong(this.desk.recorder.take()), ...checkLocks(this.locks.take())];
    this.checkersMs += performance.now() - startedMs;
    return findings;
  }

  private change({ name, random, other }: Client, { key, kind, version }: StrongKey): Demand {
    const value = `${this.name} ${this.values++}`;
    const asked = { client: name, key, requestId: value.replaceAll(' ', '-'), again: other };
    switch (kind) {
      case 'counter':
        return increment(random.chance(0.5) ? asked : { client: name, key }, 1 + random.int(5));
      case 'compare':
        return compareAndSet(asked, random.chance(STALE_SHARE) ? null : version, value);
      default:
        return random.chance(DELETE_SHARE) ? remove(asked) : write(asked, value);
    }
  }

  private async ask(target: Target, key: StrongKey, demand: Demand): Promise<boolean> {
    const { outcome, healthy } = await this.desk.perform(target, demand);
    if (outcome.kind === 'ok' && demand.action.kind !== 'delete') {
      key.version = outcome.version ?? null;
    }
    return healthy;
  }
}

/** The demo keeps counters in a namespace of their own. */
function folderOf({ kind }: StrongKey): 'items' | 'counters' {
  return kind === 'counter' ? 'counters' : 'items';
}
