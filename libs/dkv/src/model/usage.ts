/** How many live keys a namespace has, and their bytes: counted as records come and go, and stored with them. */
import { Buffer } from 'node:buffer';

export interface Usage {
  readonly keys: number;
  /** Of keys in UTF-8 and of values as their codec made them; not what they take on a disk. */
  readonly bytes: number;
}

export type UsageByNamespace = ReadonlyMap<string, Usage>;

export const NO_USAGE: UsageByNamespace = new Map();

interface Count {
  keys: number;
  bytes: number;
}

export class UsageCount {
  private readonly counts = new Map<string, Count>();
  /** Most come in runs of the same namespace. */
  private last: Count = { keys: 0, bytes: 0 };
  private lastNamespace: string | undefined;

  constructor(start: UsageByNamespace = NO_USAGE) {
    this.addAll(start);
  }

  get byNamespace(): UsageByNamespace {
    return this.counts;
  }

  /** Either may be below 0. */
  add(namespace: string, keys: number, bytes: number): void {
    if (namespace !== this.lastNamespace) {
      this.last = this.countOf(namespace);
      this.lastNamespace = namespace;
    }
    this.last.keys += keys;
    this.last.bytes += bytes;
  }

  /** Each of `usage` as many times as `factor` says. */
  addAll(usage: UsageByNamespace, factor = 1): void {
    for (const [namespace, { keys, bytes }] of usage) {
      this.add(namespace, keys * factor, bytes * factor);
    }
  }

  private countOf(namespace: string): Count {
    let count = this.counts.get(namespace);
    if (!count) {
      count = { keys: 0, bytes: 0 };
      this.counts.set(namespace, count);
    }
    return count;
  }
}

export function keysIn(usage: UsageByNamespace): number {
  let keys = 0;
  for (const count of usage.values()) {
    keys += count.keys;
  }
  return keys;
}

export function bytesIn(usage: UsageByNamespace): number {
  let bytes = 0;
  for (const count of usage.values()) {
    bytes += count.bytes;
  }
  return bytes;
}

/*
 * Stored as: count of namespaces u16, then for each: bytes of the name u16, name, keys u48, bytes u48. Numbers are big endian.
 */
const COUNT_BYTES = 2;
const NAME_AT = 2;
const NUMBERS_BYTES = 12;
const U48_MAX = 2 ** 48 - 1;

/** Leaves out namespaces without keys; what estimates have below 0 is 0. */
export function encodeUsage(usage: UsageByNamespace): Buffer {
  const parts = [Buffer.alloc(COUNT_BYTES)];
  for (const [namespace, { keys, bytes }] of usage) {
    const [wholeKeys, wholeBytes] = [stored(keys), stored(bytes)];
    if (wholeKeys > 0) {
      const name = Buffer.from(namespace);
      const part = Buffer.allocUnsafe(NAME_AT + name.length + NUMBERS_BYTES);
      part.writeUInt16BE(name.length, 0);
      part.set(name, NAME_AT);
      part.writeUIntBE(wholeKeys, NAME_AT + name.length, 6);
      part.writeUIntBE(wholeBytes, NAME_AT + name.length + 6, 6);
      parts.push(part);
    }
  }
  parts[0]!.writeUInt16BE(parts.length - 1, 0);
  return Buffer.concat(parts);
}

/** What was stored at `at`, and where it ends; undefined where that is past `end`. Whether the bytes are sound is not asked here. */
export function decodeUsage(
  bytes: Buffer,
  at: number,
  end: number,
): { readonly usage: UsageByNamespace; readonly end: number } | undefined {
  const usage = new Map<string, Usage>();
  let next = at + COUNT_BYTES;
  const count = next <= end ? bytes.readUInt16BE(at) : Infinity;
  for (let left = count; left > 0; left--) {
    const nameAt = next + NAME_AT;
    const nameEnd = nameAt <= end ? nameAt + bytes.readUInt16BE(next) : Infinity;
    next = nameEnd + NUMBERS_BYTES;
    if (next > end) {
      return undefined;
    }
    usage.set(bytes.toString('utf8', nameAt, nameEnd), {
      keys: bytes.readUIntBE(nameEnd, 6),
      bytes: bytes.readUIntBE(nameEnd + 6, 6),
    });
  }
  return { usage, end: next };
}

function stored(number: number): number {
  return Math.min(Math.max(0, Math.round(number)), U48_MAX);
}
