/** Short-lived keys: each gets a bounded number of operations, so that judging a key stays cheap. */
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';

export interface PoolKey<K extends string> {
  readonly key: string;
  readonly kind: K;
  /** Operations that it still gets. */
  left: number;
}

export interface PoolOptions<K extends string, P extends PoolKey<K>> {
  /** Keys in the paths of URLs: no character that needs an escape. */
  readonly prefix: string;
  /** Kinds, as often as they should come. */
  readonly kinds: readonly K[];
  readonly create: (key: string, kind: K, operations: number) => P;
}

/** Keys that clients meet at: many of their operations are concurrent. */
const HOT_KEYS = 24;
/** Keys that live for many seconds, so through whole faults. */
const WARM_KEYS = 600;
const HOT_SHARE = 0.4;
const OPERATIONS_MIN = 60;
const OPERATIONS_SPREAD = 60;

export class KeyPool<K extends string, P extends PoolKey<K>> {
  /** Every key that was given out, until {@link KeyPool.takeUsed}. */
  private used: P[] = [];
  private readonly hot: (P | undefined)[] = new Array<undefined>(HOT_KEYS).fill(undefined);
  private readonly warm: (P | undefined)[] = new Array<undefined>(WARM_KEYS).fill(undefined);
  private made = 0;

  constructor(
    private readonly options: PoolOptions<K, P>,
    private readonly random: SimRandom,
  ) {}

  /** A key with operations left; the caller does one. */
  pick(): P {
    const keys = this.random.chance(HOT_SHARE) ? this.hot : this.warm;
    const slot = this.random.int(keys.length);
    const known = keys[slot];
    const picked = known !== undefined && known.left > 0 ? known : this.make();
    keys[slot] = picked;
    picked.left--;
    return picked;
  }

  /** All keys given out so far, used up or not; the pool begins anew with other ones. */
  takeUsed(): readonly P[] {
    const taken = this.used;
    this.used = [];
    this.hot.fill(undefined);
    this.warm.fill(undefined);
    return taken;
  }

  private make(): P {
    const { prefix, kinds, create } = this.options;
    const kind = this.random.pick(kinds);
    const operations = OPERATIONS_MIN + this.random.int(OPERATIONS_SPREAD);
    const made = create(`${prefix}-${kind}-${this.made++}`, kind, operations);
    this.used.push(made);
    return made;
  }
}
