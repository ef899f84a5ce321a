/** A map for eventual namespaces whose fields come and go: a delete takes away what its writer had seen, no more. */
import { type Merger, type MergeSide } from '../ports/merger.js';

/** Names one `set`, once and for all (a "dot"): the replica that made it, and how many it had made for this map. */
export interface Tag {
  readonly replica: string;
  /** A whole number from 1. */
  readonly counter: number;
}

/** A value that stands, under the tag of the `set` that wrote it. */
export type MapEntry<V> = readonly [field: string, replica: string, counter: number, value: V];

/** The tags of a replica that took effect, as runs: first, last, first, last… One run while none is left out. */
export type SeenTags = readonly [replica: string, runs: readonly number[]];

/**
 * Plain data in one canonical order, so that equal maps have equal bytes. Lists and not objects: fields and replicas
 * may have any name, also `__proto__`. Make it with `ObservedRemoveMap.empty`, `.set` and `.delete`.
 *
 * Its size is that of the entries and of the names of the replicas that ever wrote: a deleted field leaves no trace but
 * its tag in a run, so setting and deleting without end does not make it grow.
 */
export interface ObservedRemoveMap<V> {
  /** By field, replica, counter. Several for one field when it was set concurrently. */
  readonly entries: readonly MapEntry<V>[];
  /** The causal context, by replica: which sets this map knows of. One known and without entry is superseded. */
  readonly seen: readonly SeenTags[];
}

/** Pure functions on maps; the maps given are not changed. All throw a `TypeError` when `map` is not such a map. */
export const ObservedRemoveMap = {
  empty: <V>(): ObservedRemoveMap<V> => {
    return { entries: [], seen: [] };
  },

  /**
   * A tag that `replica` has not used in `map`, nor up to `last`, the tag that it took before for the same map: give it
   * while the outcome of that write is not known, or the map was read before it. One sequence for each map (key) and
   * writer: tags shared out over several maps leave gaps, and each gap costs the map two numbers. A writer that may
   * have forgotten its last tag (a restarted process) takes a name of its own, such as its node id and start time.
   */
  nextTag: (map: ObservedRemoveMap<unknown>, replica: string, last?: Tag): Tag => {
    if (last && last.replica !== replica) {
      throw new TypeError(`The last tag is one of replica ${last.replica}, not of ${replica}.`);
    }
    const seen = contextOf(map).get(replica)?.at(-1) ?? 0;
    const tag = { replica, counter: Math.max(seen, last?.counter ?? 0) + 1 };
    assertTag(tag);
    return tag;
  },

  /**
   * `map` with `field` set to `value`, which supersedes the values that `map` holds for it. `tag` must be new: of two
   * sets under one tag one is lost, or both.
   * @throws TypeError when `field` is no text, `tag` is malformed, or `map` knows it already.
   */
  set: <V>(map: ObservedRemoveMap<V>, field: string, value: V, tag: Tag): ObservedRemoveMap<V> => {
    assertTag(tag);
    if (typeof field !== 'string') {
      throw new TypeError(`A field must be a text; got ${typeof field}.`);
    }
    const context = contextOf(map);
    if (covers(context, tag.replica, tag.counter)) {
      throw new TypeError(
        `Tag ${tag.counter} of replica ${JSON.stringify(tag.replica)} was used in this map; take nextTag.`,
      );
    }
    const entry: MapEntry<V> = [field, tag.replica, tag.counter, value];
    const others = entriesOf(map, context).filter(([name]) => name !== field);
    const used: Context = new Map([[tag.replica, [tag.counter, tag.counter]]]);
    return { entries: [...others, entry].sort(byTag), seen: seenOf(union(context, used)) };
  },

  /** `map` without the values that it holds for `field`; `map` itself when there are none. */
  delete: <V>(map: ObservedRemoveMap<V>, field: string): ObservedRemoveMap<V> => {
    const held = entriesOf(map, contextOf(map));
    const entries = held.filter(([name]) => name !== field);
    return entries.length === held.length ? map : { entries, seen: map.seen };
  },

  /** The values of all fields, in the order of the fields' names; of concurrent ones the one that `get` gives. */
  read: <V>(map: ObservedRemoveMap<V>): Map<string, V> => {
    const chosen = new Map<string, MapEntry<V>>();
    for (const entry of entriesOf(map, contextOf(map))) {
      const other = chosen.get(entry[0]);
      // Entries come in the order of replicas: at equal counters the last replica's stands.
      if (!other || entry[2] >= other[2]) {
        chosen.set(entry[0], entry);
      }
    }
    return new Map(Array.from(chosen, ([field, entry]) => [field, entry[3]]));
  },

  /**
   * The value of `field`. Of concurrent ones that with the highest counter, then replica: the same on every node, and
   * without meaning. `siblings` gives them all.
   */
  get: <V>(map: ObservedRemoveMap<V>, field: string): V | undefined => {
    return ObservedRemoveMap.read(map).get(field);
  },

  /** All values of `field`: several when it was set concurrently; the next `set` leaves one. */
  siblings: <V>(map: ObservedRemoveMap<V>, field: string): V[] => {
    return entriesOf(map, contextOf(map)).flatMap(([name, , , value]) => (name === field ? [value] : []));
  },
};

/**
 * Joins two maps: an entry stands when both sides hold it, or one holds it and the other has not seen its tag. So a
 * concurrent `set` survives a `delete`, and concurrent sets of a field stand side by side. (Keeping the highest only
 * would not be associative: a delete of that one would bring the other back, or not, depending on the order.)
 *
 * Delete fields, not the key: removing the key and letting it expire are not merged, and forget which tags were used.
 *
 * Throws a `TypeError`, which the store's caller sees as `DKV_CODEC_FAILED`, when a side is not such a map.
 *
 * Source: the observed-remove set of Shapiro, Preguiça, Baquero and Zawirski, INRIA RR-7506 (2011), section 3.3.5,
 * without tombstones as in Bieniusa et al., An optimized conflict-free replicated set, INRIA RR-8083 (2012): entries
 * and a version vector. The vector's entries are runs here, since a replica's writes need not arrive in order (the
 * causal context of Almeida, Shoker and Baquero, Delta State Replicated Data Types, 2018).
 */
export class ObservedRemoveMapMerger<V = unknown> implements Merger<ObservedRemoveMap<V>> {
  readonly name = 'observed-remove-map';

  merge(
    current: MergeSide<ObservedRemoveMap<V>>,
    incoming: MergeSide<ObservedRemoveMap<V>>,
  ): ObservedRemoveMap<V> {
    const [mine, theirs] = [contextOf(current.value), contextOf(incoming.value)];
    const joined = {
      entries: joinEntries(
        { entries: entriesOf(current.value, mine), context: mine },
        { entries: entriesOf(incoming.value, theirs), context: theirs },
      ),
      seen: seenOf(union(mine, theirs)),
    };
    return [incoming.value, current.value].find((side) => sameMap(side, joined)) ?? joined;
  }
}

/** Runs by replica. A Map: names come from decoded bytes. */
type Context = Map<string, readonly number[]>;

interface Held<V> {
  readonly entries: readonly MapEntry<V>[];
  readonly context: Context;
}

function joinEntries<V>(mine: Held<V>, theirs: Held<V>): MapEntry<V>[] {
  const joined: MapEntry<V>[] = [];
  let [left, right] = [0, 0];
  while (left < mine.entries.length || right < theirs.entries.length) {
    const [a, b] = [mine.entries[left], theirs.entries[right]];
    const order = a && b ? byTag(a, b) : a ? -1 : 1;
    left += order <= 0 ? 1 : 0;
    right += order >= 0 ? 1 : 0;
    if (order === 0) {
      // One tag, one value. Where a caller broke that, every replica still takes the same one.
      joined.push(textOf(a![3]) > textOf(b![3]) ? a! : b!);
    } else {
      const [entry, other] = order < 0 ? [a!, theirs] : [b!, mine];
      if (!covers(other.context, entry[1], entry[2])) {
        joined.push(entry);
      }
    }
  }
  return joined;
}

function byTag(a: MapEntry<unknown>, b: MapEntry<unknown>): number {
  return byText(a[0], b[0]) || byText(a[1], b[1]) || a[2] - b[2];
}

/** By UTF-16 units, the same on every node; a locale's order is not. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function covers(context: Context, replica: string, counter: number): boolean {
  const runs = context.get(replica) ?? [];
  const last = runs.findIndex((bound, index) => index % 2 === 1 && bound >= counter);
  return last > 0 && runs[last - 1]! <= counter;
}

function union(a: Context, b: Context): Context {
  const joined = new Map(a);
  for (const [replica, runs] of b) {
    joined.set(replica, joinRuns(joined.get(replica) ?? [], runs));
  }
  return joined;
}

/** Runs that overlap or touch become one. */
function joinRuns(a: readonly number[], b: readonly number[]): number[] {
  const bounds = [...a, ...b];
  const runs = bounds.flatMap((first, index) => (index % 2 === 0 ? [[first, bounds[index + 1]!]] : []));
  const joined: number[] = [];
  for (const [first, last] of runs.sort(([x], [y]) => x! - y!)) {
    const end = joined.at(-1);
    if (end !== undefined && first! <= end + 1) {
      joined[joined.length - 1] = Math.max(end, last!);
    } else {
      joined.push(first!, last!);
    }
  }
  return joined;
}

function seenOf(context: Context): SeenTags[] {
  return [...context].sort(([a], [b]) => byText(a, b));
}

function sameMap(side: ObservedRemoveMap<unknown>, joined: ObservedRemoveMap<unknown>): boolean {
  return (
    // Fields more, or in another order, are other bytes.
    Object.keys(side).join() === 'entries,seen' &&
    side.entries.length === joined.entries.length &&
    side.entries.every((entry, index) => {
      const other = joined.entries[index]!;
      return entry === other || (byTag(entry, other) === 0 && textOf(entry[3]) === textOf(other[3]));
    }) &&
    JSON.stringify(side.seen) === JSON.stringify(joined.seen)
  );
}

/** With its type, which tells the text `1` from the number. A bigint has no JSON form. */
function textOf(value: unknown): string {
  return `${typeof value} ${JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner))}`;
}

/** The causal context of `map`, checked: it was decoded from bytes that this library need not have written. */
function contextOf(map: ObservedRemoveMap<unknown>): Context {
  const seen: unknown = (map as ObservedRemoveMap<unknown> | null | undefined)?.seen;
  assertForm(Array.isArray(seen), 'seen must be a list');
  const context: Context = new Map();
  let before: string | undefined;
  for (const item of seen as unknown[]) {
    const [replica, runs] = Array.isArray(item) ? (item as unknown[]) : [];
    assertForm(typeof replica === 'string' && Array.isArray(runs), 'seen must hold [replica, runs]');
    assertForm(before === undefined || before < replica, 'seen must be in the order of the replicas');
    assertForm(areRuns(runs), `the runs of replica ${JSON.stringify(replica)} must rise: first, last…`);
    context.set(replica, runs);
    before = replica;
  }
  return context;
}

/** Whole numbers from 1, in pairs; a run of one is twice the same, and between two runs something is missing. */
function areRuns(runs: readonly unknown[]): runs is number[] {
  const fits = (bound: unknown, index: number): boolean => {
    const least = index === 0 ? 1 : (runs[index - 1] as number) + (index % 2 === 0 ? 2 : 0);
    return Number.isSafeInteger(bound) && (bound as number) >= least;
  };
  return runs.length > 0 && runs.length % 2 === 0 && runs.every(fits);
}

function entriesOf<V>(map: ObservedRemoveMap<V>, context: Context): readonly MapEntry<V>[] {
  const { entries } = map;
  assertForm(isList(entries), 'entries must be a list');
  let before: MapEntry<V> | undefined;
  for (const entry of entries) {
    assertForm(
      isList(entry) &&
        entry.length === 4 &&
        typeof entry[0] === 'string' &&
        typeof entry[1] === 'string' &&
        typeof entry[2] === 'number',
      'entries must hold [field, replica, counter, value]',
    );
    assertForm(
      !before || byTag(before, entry) < 0,
      'entries must be in the order of field, replica, counter',
    );
    assertForm(covers(context, entry[1], entry[2]), 'the tag of an entry must be seen');
    before = entry;
  }
  return entries;
}

/** `Array.isArray` without forgetting the type of the items. */
function isList(value: unknown): boolean {
  return Array.isArray(value);
}

function assertTag({ replica, counter }: Tag): void {
  if (typeof replica !== 'string' || !Number.isSafeInteger(counter) || counter < 1) {
    throw new TypeError(
      `A tag must have a replica's name and a safe integer from 1 as counter; got ` +
        `${JSON.stringify(replica)} and ${String(counter)}.`,
    );
  }
}

function assertForm(holds: boolean, rule: string): asserts holds {
  if (!holds) {
    throw new TypeError(`Not an observed-remove map: ${rule}.`);
  }
}
