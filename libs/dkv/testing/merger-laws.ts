/** Whether a merger may be trusted to replicas: searches samples for a breach of its laws and shows the smallest. */
import { inspect, isDeepStrictEqual } from 'node:util';
import { MsgpackCodec } from '../src/codec/msgpack-codec.js';
import { formatVersion, joinVersion, physicalMsOf, type Version } from '../src/model/version.js';
import { type Codec } from '../src/ports/codec.js';
import { type Merger, type MergeSide } from '../src/ports/merger.js';
import { SimRandom } from './simulation/sim-random.js';

export type MergerLaw =
  /** merge(a, b) = merge(b, a) */
  | 'commutative'
  /** merge(merge(a, b), c) = merge(a, merge(b, c)) */
  | 'associative'
  /** merge(a, a) = a */
  | 'idempotent'
  /** The sides are left as they were, and equal sides give equal results each time. */
  | 'pure'
  /** It throws on no sample. */
  | 'total'
  /** Samples and results come back from the codec as they were. */
  | 'stable';

export interface MergerLawViolation<V = unknown> {
  readonly law: MergerLaw;
  /** The law, both sides of it and the values: all that is needed to see the mistake. */
  readonly message: string;
  /** The samples of the counterexample: a, b, c. */
  readonly values: readonly V[];
}

export interface MergerLawOptions<V> {
  /** Equal seeds, equal checks. Default 1. */
  readonly seed?: number | string;
  /** The codec of the namespace; default MsgpackCodec. */
  readonly codec?: Codec<V>;
  /** How many samples to generate; default 12. A list of samples is taken whole. */
  readonly sampleCount?: number;
  /** All pairs and triples are tried when there are no more than this, else as many drawn at random; default 2000. */
  readonly casesMax?: number;
  /** Whether two values are the same; default `isDeepStrictEqual`, for which a Buffer is not a Uint8Array. */
  readonly equals?: (a: V, b: V) => boolean;
  /** Demands equal bytes of results where equal content is enough for the store; default false. */
  readonly bytewise?: boolean;
}

/** Where samples come from: a list, or a generator that draws one from `random`, its only source of chance. */
export type MergerSamples<V> = readonly V[] | ((random: SimRandom) => V);

/**
 * Checks the laws of the Merger port on pairs and triples of samples. Returns for each law that is broken the smallest
 * counterexample met; an empty list says that none was found, not that there is none.
 *
 * Values pass the codec before and after each merge, as in the store. Each sample has one version of its own, and a
 * join has the version that the store would give it: the newer side's when it is that side's value, else one right
 * above. So a merger may look at versions, as LastWriteWinsMerger does.
 * @throws TypeError when there is no sample or an option is not a whole number from 1.
 */
export function checkMergerLaws<V>(
  merger: Merger<V>,
  samples: MergerSamples<V>,
  options: MergerLawOptions<V> = {},
): MergerLawViolation<V>[] {
  return new LawCheck(merger, options).run(samples);
}

/** As `checkMergerLaws`. @throws Error with all counterexamples when there are any. */
export function assertMergerLaws<V>(
  merger: Merger<V>,
  samples: MergerSamples<V>,
  options: MergerLawOptions<V> = {},
): void {
  const violations = checkMergerLaws(merger, samples, options);
  if (violations.length > 0) {
    const name = merger.constructor === Object ? 'The merger' : merger.constructor.name;
    const seed = inspect(options.seed ?? 1);
    throw new Error(
      [`${name} breaks laws (seed ${seed}):`, ...violations.map(({ message }) => `- ${message}`)].join('\n'),
    );
  }
}

/** A value as a replica holds it. Decoded anew for each merge, so that a merger that changes its sides spoils no other. */
interface Held {
  readonly bytes: Uint8Array;
  readonly version: Version;
}

/** An arbitrary time: versions need one, the laws do not. */
const START_MS = 1_700_000_000_000;
const NODE_ID = 'law';
const LETTERS = ['a', 'b', 'c'];

class LawCheck<V> {
  private readonly smallest = new Map<MergerLaw, { violation: MergerLawViolation<V>; size: number }>();
  private readonly random: SimRandom;
  private readonly codec: Codec<V>;
  private readonly equals: (a: V, b: V) => boolean;
  private readonly bytewise: boolean;
  private readonly sampleCount: number;
  private readonly casesMax: number;

  constructor(
    private readonly merger: Merger<V>,
    options: MergerLawOptions<V>,
  ) {
    this.random = new SimRandom(options.seed ?? 1);
    this.codec = options.codec ?? new MsgpackCodec<V>();
    this.equals = options.equals ?? isDeepStrictEqual;
    this.bytewise = options.bytewise ?? false;
    this.sampleCount = wholeFromOne('sampleCount', options.sampleCount ?? 12);
    this.casesMax = wholeFromOne('casesMax', options.casesMax ?? 2000);
  }

  run(samples: MergerSamples<V>): MergerLawViolation<V>[] {
    const held = this.hold(samples);
    held.forEach((a) => this.checkIdempotent(a));
    for (const [a, b] of this.cases(held, 2)) {
      this.checkPure(a!, b!);
      this.checkCommutative(a!, b!);
    }
    for (const [a, b, c] of this.cases(held, 3)) {
      this.checkAssociative(a!, b!, c!);
    }
    return Array.from(this.smallest.values(), ({ violation }) => violation);
  }

  /** The samples as bytes, in versions of random order: an order of the list must not stand for that of time. */
  private hold(samples: MergerSamples<V>): Held[] {
    const values =
      typeof samples === 'function'
        ? Array.from({ length: this.sampleCount }, (_, index) => samples(this.random.fork(`sample ${index}`)))
        : samples;
    if (values.length === 0) {
      throw new TypeError('No sample to check the laws of a merger with.');
    }
    const ranks = this.random.fork('versions').shuffle([...values.keys()]);
    return values.flatMap((value, index) => {
      const bytes = this.encode(value, 'a', [value]);
      return bytes ? [{ bytes, version: versionAt(ranks[index]!) }] : [];
    });
  }

  /** Lists of `length` of the samples, in every order and with repetition, or as many as `casesMax` at random. */
  private *cases(held: readonly Held[], length: 2 | 3): Iterable<Held[]> {
    const count = held.length ** length;
    const draws = this.random.fork(`cases of ${length}`);
    for (let step = 0; step < Math.min(count, this.casesMax); step++) {
      const place = (index: number) =>
        count <= this.casesMax
          ? Math.floor(step / held.length ** (length - 1 - index)) % held.length
          : draws.int(held.length);
      yield Array.from({ length }, (_, index) => held[place(index)]!);
    }
  }

  private checkIdempotent(a: Held): void {
    // Also met under two versions: two nodes wrote the same.
    const later = { ...a, version: joinVersion(a.version, NODE_ID, 1) };
    for (const [current, incoming] of [
      [a, a],
      [a, later],
      [later, a],
    ] as const) {
      const joined = this.join(current, incoming, 'merge(a, a)', [a]);
      if (joined && !this.same(joined, a)) {
        this.report('idempotent', [a], `merge(a, a) is ${this.show(joined)}`);
      }
    }
  }

  private checkCommutative(a: Held, b: Held): void {
    const left = this.join(a, b, 'merge(a, b)', [a, b]);
    const right = this.join(b, a, 'merge(b, a)', [a, b]);
    if (left && right && !this.same(left, right)) {
      this.report(
        'commutative',
        [a, b],
        `merge(a, b) is ${this.show(left)}, but merge(b, a) is ${this.show(right)}`,
      );
    }
  }

  private checkAssociative(a: Held, b: Held, c: Held): void {
    const all = [a, b, c];
    const ab = this.join(a, b, 'merge(a, b)', all);
    const bc = this.join(b, c, 'merge(b, c)', all);
    const left = ab && this.join(ab, c, 'merge(merge(a, b), c)', all);
    const right = bc && this.join(a, bc, 'merge(a, merge(b, c))', all);
    if (left && right && !this.same(left, right)) {
      this.report(
        'associative',
        all,
        `merge(merge(a, b), c) is ${this.show(left)}, but merge(a, merge(b, c)) is ${this.show(right)}`,
      );
    }
  }

  private checkPure(a: Held, b: Held): void {
    const first = this.join(a, b, 'merge(a, b)', [a, b]);
    const second = this.join(a, b, 'merge(a, b)', [a, b]);
    if (first && second && !this.same(first, second)) {
      this.report(
        'pure',
        [a, b],
        `merge(a, b) is ${this.show(first)} at first and ${this.show(second)} when called again`,
      );
    }
  }

  /** What a replica holds after `incoming` met `current`; undefined when it cannot be had, which is reported. */
  private join(current: Held, incoming: Held, name: string, from: readonly Held[]): Held | undefined {
    const sides = [this.side(current), this.side(incoming)] as const;
    let merged: V;
    try {
      merged = this.merger.merge(...sides);
    } catch (error) {
      this.report('total', from, `${name} throws ${String(error)}`);
      return undefined;
    }
    [current, incoming].forEach((held, index) => {
      const left = sides[index]!.value;
      if (!isDeepStrictEqual(left, this.decode(held))) {
        const side = index === 0 ? 'current' : 'incoming';
        this.report('pure', from, `${name} changes its ${side} side to ${show(left)}`);
      }
    });
    const bytes = this.encode(
      merged,
      name,
      from.map((held) => this.decode(held)),
    );
    return bytes && this.versioned(bytes, current.version < incoming.version ? incoming : current);
  }

  /** As RecordMerger does: a join that says nothing new keeps the newer record. */
  private versioned(bytes: Uint8Array, newer: Held): Held {
    const version = this.same({ ...newer, bytes }, newer)
      ? newer.version
      : joinVersion(newer.version, NODE_ID, 1);
    return { bytes, version };
  }

  private side(held: Held): MergeSide<V> {
    const { version } = held;
    return Object.freeze({ value: this.decode(held), modified: physicalMsOf(version), version });
  }

  private encode(value: V, name: string, from: readonly V[]): Uint8Array | undefined {
    try {
      const bytes = this.codec.encode(value);
      const back = this.codec.decode(bytes);
      if (!this.equals(value, back)) {
        this.note('stable', from, `${name} is ${show(value)}, but ${show(back)} after the codec`);
      }
      return bytes;
    } catch (error) {
      this.note('stable', from, `the codec cannot carry ${name}, ${show(value)}: ${String(error)}`);
      return undefined;
    }
  }

  private decode({ bytes }: Held): V {
    return this.codec.decode(bytes);
  }

  private same(a: Held, b: Held): boolean {
    return this.bytewise
      ? Buffer.compare(a.bytes, b.bytes) === 0
      : this.equals(this.decode(a), this.decode(b));
  }

  private show(held: Held): string {
    return this.bytewise
      ? `${show(this.decode(held))} (bytes ${Buffer.from(held.bytes).toString('hex').slice(0, 80)})`
      : show(this.decode(held));
  }

  private report(law: MergerLaw, from: readonly Held[], problem: string): void {
    const order = from.map(({ version }) => version).sort();
    const ages = from.map(({ version }, index) => ({ letter: LETTERS[index]!, age: order.indexOf(version) }));
    const oldestFirst = ages.sort((a, b) => a.age - b.age).map(({ letter }) => letter);
    this.note(
      law,
      from.map((held) => this.decode(held)),
      problem,
      from.length > 1 ? ` (${oldestFirst.join(', ')} from old to new)` : '',
    );
  }

  private note(law: MergerLaw, values: readonly V[], problem: string, ages = ''): void {
    const shown = values.map((value, index) => `${LETTERS[index]} = ${show(value)}`).join(', ');
    const size = shown.length;
    const known = this.smallest.get(law);
    if (!known || size < known.size) {
      this.smallest.set(law, {
        size,
        violation: { law, values, message: `not ${law}: ${problem}, where ${shown}${ages}` },
      });
    }
  }
}

function versionAt(rank: number): Version {
  return formatVersion({ physicalMs: START_MS + rank, counter: 0, nodeId: NODE_ID, boot: 1 });
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: Infinity, maxStringLength: 200, maxArrayLength: 50 });
}

function wholeFromOne(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new TypeError(`${name} must be a whole number from 1; got ${String(value)}.`);
  }
  return value;
}
