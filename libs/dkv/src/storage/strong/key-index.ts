/** Finds the records of the table by their keys: chains through the slabs, by a hash of namespace and key. */
import { Buffer } from 'node:buffer';
import { randomInt } from 'node:crypto';
import { byteOf, HASH, HEAD_BYTES, KEY, KEY_BYTES, NEXT, OWNER, wordOf } from './record-head.js';
import { type EncodedKey, type RecordSlabs } from './record-slabs.js';
import { namespaceBytes } from './strong-keys.js';

/** Bytes of records for which there is one chain: its head takes 1.6 % of them. */
const BYTES_PER_CHAIN = 256;
const CHAINS_MIN = 256;
const NAMESPACES_MAX = 0xffff;
const FNV_PRIME = 0x0100_0193;
/** So that nobody can choose keys that are all of one chain. */
const SEED = randomInt(2 ** 31);

export interface Names {
  readonly namespace: string;
  /** As the engine's keys have it. */
  readonly bytes: Buffer;
}

export class KeyIndex {
  /** First positions of the chains; 0 where there is none. */
  private readonly heads: Int32Array;
  private readonly names: Names[] = [];
  private readonly numbers = new Map<string, number>();
  private lastNamespace: string | undefined;
  private lastNumber = -1;
  /** What {@link encode} made. */
  private readonly encoded = { bytes: Buffer.allocUnsafeSlow(1_024), length: 0, hash: 0, namespace: 0 };

  constructor(
    private readonly slabs: RecordSlabs,
    bytes: number,
  ) {
    this.heads = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(CHAINS_MIN, bytes / BYTES_PER_CHAIN))));
  }

  /** The key that was encoded last. */
  get key(): EncodedKey {
    return this.encoded;
  }

  namesOf(namespace: string): Names {
    return this.names[this.numberOf(namespace)]!;
  }

  namesAt(position: number): Names {
    return this.names[this.slabs.at(position).words[wordOf(position) + OWNER]! >>> 16]!;
  }

  /**
   * Makes it the key that the next calls are about. Its hash is FNV-1a, mixed once more.
   * @throws RangeError for more than 65,535 bytes, or 65,536 namespaces
   */
  encode(namespace: string, key: string): void {
    const number = this.numberOf(namespace);
    const { encoded } = this;
    if (key.length * 3 > encoded.bytes.length) {
      encoded.bytes = Buffer.allocUnsafeSlow(key.length * 3);
    }
    const { bytes } = encoded;
    let { length } = key;
    for (let at = 0; at < length; at++) {
      const unit = key.charCodeAt(at);
      if (unit > 0x7f) {
        length = bytes.write(key, 0);
        break;
      }
      bytes[at] = unit;
    }
    if (length > KEY_BYTES) {
      throw new RangeError(`A key of ${length} bytes is longer than records can have.`);
    }
    let hash = Math.imul(SEED ^ number, FNV_PRIME);
    for (let at = 0; at < length; at++) {
      hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
    }
    encoded.length = length;
    encoded.namespace = number;
    encoded.hash = Math.imul(hash ^ (hash >>> 15), FNV_PRIME) ^ (hash >>> 12);
  }

  /** Position of a key that may be in a namespace of which nothing is here, as {@link find}. */
  look(namespace: string, key: string): number {
    if (namespace !== this.lastNamespace && !this.numbers.has(namespace)) {
      return 0;
    }
    this.encode(namespace, key);
    return this.find();
  }

  /** Position of the encoded key; 0 where it is not here. */
  find(): number {
    const { hash, namespace, bytes, length } = this.encoded;
    return this.search(hash, namespace, bytes, 0, length);
  }

  /** Position of the key that the record there has; 0 where it is not here any more. */
  findAgain(position: number): number {
    const { words, bytes } = this.slabs.at(position);
    const word = wordOf(position);
    const start = byteOf(position) + HEAD_BYTES;
    const length = words[word + KEY]! & KEY_BYTES;
    return this.search(words[word + HASH]!, words[word + OWNER]! >>> 16, bytes, start, length);
  }

  add(position: number): void {
    const { words } = this.slabs.at(position);
    const word = wordOf(position);
    const chain = words[word + HASH]! & (this.heads.length - 1);
    words[word + NEXT] = this.heads[chain]!;
    this.heads[chain] = position;
  }

  /** Both have the same key. */
  replace(old: number, position: number): void {
    this.slabs.at(position).words[wordOf(position) + NEXT] = this.nextOf(old);
    this.relink(old, position);
  }

  remove(position: number): void {
    this.relink(position, this.nextOf(position));
  }

  private numberOf(namespace: string): number {
    if (namespace === this.lastNamespace) {
      return this.lastNumber;
    }
    let number = this.numbers.get(namespace);
    if (number === undefined) {
      number = this.names.length;
      if (number > NAMESPACES_MAX) {
        throw new RangeError(`There are ${number} namespaces: records can be of no more.`);
      }
      this.names.push({ namespace, bytes: namespaceBytes(namespace) });
      this.numbers.set(namespace, number);
    }
    this.lastNamespace = namespace;
    this.lastNumber = number;
    return number;
  }

  private nextOf(position: number): number {
    return this.slabs.at(position).words[wordOf(position) + NEXT]!;
  }

  /** What leads to `position` leads to `now`. */
  private relink(position: number, now: number): void {
    const chain = this.slabs.at(position).words[wordOf(position) + HASH]! & (this.heads.length - 1);
    let at = this.heads[chain]!;
    if (at === position) {
      this.heads[chain] = now;
      return;
    }
    for (let next = this.nextOf(at); next !== position; next = this.nextOf(at)) {
      at = next;
    }
    this.slabs.at(at).words[wordOf(at) + NEXT] = now;
  }

  private search(hash: number, namespace: number, key: Buffer, start: number, length: number): number {
    let position = this.heads[hash & (this.heads.length - 1)]!;
    while (position !== 0) {
      const { words, bytes } = this.slabs.at(position);
      const word = wordOf(position);
      if (
        words[word + HASH] === hash &&
        words[word + OWNER]! >>> 16 === namespace &&
        (words[word + KEY]! & KEY_BYTES) === length &&
        isSame(bytes, byteOf(position) + HEAD_BYTES, key, start, length)
      ) {
        return position;
      }
      position = words[word + NEXT]!;
    }
    return 0;
  }
}

function isSame(a: Buffer, startOfA: number, b: Buffer, startOfB: number, length: number): boolean {
  for (let at = 0; at < length; at++) {
    if (a[startOfA + at] !== b[startOfB + at]) {
      return false;
    }
  }
  return true;
}
