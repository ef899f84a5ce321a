/** A set that only grows, for eventual namespaces: the join is the union, so no concurrent addition is lost. */
import { type Merger, type MergeSide } from '../ports/merger.js';

/**
 * A list of unlike members in canonical order, so that equal sets have equal bytes. Members are JSON data (null,
 * booleans, finite numbers, text, lists and plain objects of these) and are the same when their content is: the order
 * of an object's fields does not count. Make it with `GrowOnlySet.of` or `.add`.
 */
export type GrowOnlySet<T> = readonly T[];

/** Pure functions on sets; the sets given are not changed. */
export const GrowOnlySet = {
  /** @throws TypeError when a member is not JSON data. */
  of: <T>(members: Iterable<T>): GrowOnlySet<T> => {
    return canonicalSet(members);
  },

  /** `set` itself when it is canonical and holds all `members`. @throws TypeError when a member is not JSON data. */
  add: <T>(set: GrowOnlySet<T>, ...members: T[]): GrowOnlySet<T> => {
    const grown = canonicalSet([...set, ...members]);
    return sameBytes(set, grown) ? set : grown;
  },

  /** @throws TypeError when `member` is not JSON data. */
  has: <T>(set: GrowOnlySet<T>, member: T): boolean => {
    const text = textOf(canonicalMember(member));
    return set.some((held) => textOf(canonicalMember(held)) === text);
  },
};

/**
 * Joins two sets to their union. Nothing can be taken out of it, save by removing the whole key: where members must
 * go again, use `ObservedRemoveMapMerger`. A list that is not in canonical order comes out in it.
 *
 * Throws a `TypeError`, which the store's caller sees as `DKV_CODEC_FAILED`, when a side is not a list of JSON data.
 *
 * Source: Shapiro, Preguiça, Baquero and Zawirski, A comprehensive study of Convergent and Commutative Replicated Data
 * Types, INRIA RR-7506 (2011), section 3.3.1, G-Set.
 */
export class GrowOnlySetMerger<T = unknown> implements Merger<GrowOnlySet<T>> {
  readonly name = 'grow-only-set';

  merge(current: MergeSide<GrowOnlySet<T>>, incoming: MergeSide<GrowOnlySet<T>>): GrowOnlySet<T> {
    const union = canonicalSet([...listOf(current.value), ...listOf(incoming.value)]);
    return [incoming.value, current.value].find((side) => sameBytes(side, union)) ?? union;
  }
}

function canonicalSet<T>(members: Iterable<T>): T[] {
  const byText = new Map<string, T>();
  for (const member of members) {
    const canonical = canonicalMember(member) as T;
    byText.set(textOf(canonical), canonical);
  }
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
}

/** A copy with the fields of objects in order: JSON text of copies is then equal exactly when their content is. */
function canonicalMember(member: unknown): unknown {
  if (member === null || typeof member === 'string' || typeof member === 'boolean') {
    return member;
  }
  if (typeof member === 'number' && Number.isFinite(member)) {
    // JSON has one zero, so both are one member.
    return member === 0 ? 0 : member;
  }
  if (Array.isArray(member)) {
    return Array.from(member, canonicalMember);
  }
  if (isPlainObject(member)) {
    const fields = Object.keys(member).sort();
    return Object.fromEntries(fields.map((field) => [field, canonicalMember(member[field])]));
  }
  throw new TypeError(
    `A member of a grow-only set must be JSON data (null, boolean, finite number, text, list, plain object without ` +
      `a field __proto__); got ${nameOf(member)}.`,
  );
}

/** Codecs do not carry a field `__proto__`: MessagePack renames it on reading. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Object.hasOwn(value, '__proto__')) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function listOf<T>(value: GrowOnlySet<T>): GrowOnlySet<T> {
  if (Array.isArray(value)) {
    return value as GrowOnlySet<T>;
  }
  throw new TypeError(`A grow-only set must be a list; got ${nameOf(value)}.`);
}

function sameBytes(a: GrowOnlySet<unknown>, b: GrowOnlySet<unknown>): boolean {
  return a.length === b.length && textOf(a) === textOf(b);
}

function textOf(canonical: unknown): string {
  return JSON.stringify(canonical);
}

function nameOf(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? Object.prototype.toString.call(value)
    : typeof value === 'number'
      ? String(value)
      : typeof value;
}
