import { describe, expect, it } from 'vitest';
import { type KvRecord, stampRecord } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { HotCache } from './hot-cache.js';

const bytesOf = ({ value }: KvRecord) => 300 + value.byteLength;

const record = (at: number, bytes = 10): KvRecord =>
  stampRecord({
    namespace: 'n',
    key: 'k',
    version: formatVersion({ physicalMs: at, counter: 0, nodeId: 'a', boot: 1 }),
    tombstone: false,
    expiresAtMs: 0,
    value: new Uint8Array(bytes),
  });
const unread = () => Promise.reject(new Error('It was read.'));

/** A read that ends when the test says so. */
function slowRead() {
  let end!: (found: KvRecord | undefined) => void;
  let reads = 0;
  const result = new Promise<KvRecord | undefined>((resolve) => (end = resolve));
  const read = () => {
    reads++;
    return result;
  };
  return { read, end: (found: KvRecord | undefined) => end(found), reads: () => reads };
}

describe('the cache of records', () => {
  it('reads a record once', async () => {
    const cache = new HotCache<KvRecord>(10_000, bytesOf);
    expect(await cache.get('k', async () => record(1))).toEqual(record(1));
    expect(await cache.get('k', unread)).toEqual(record(1));
  });

  it('reads once for all who ask meanwhile', async () => {
    const cache = new HotCache<KvRecord>(10_000, bytesOf);
    const slow = slowRead();
    const gets = [cache.get('k', slow.read), cache.get('k', slow.read)];
    slow.end(record(1));
    expect(await Promise.all(gets)).toEqual([record(1), record(1)]);
    expect(slow.reads()).toBe(1);
  });

  it('has what was written, not what a read that began before brings', async () => {
    const cache = new HotCache<KvRecord>(10_000, bytesOf);
    const slow = slowRead();
    const early = cache.get('k', slow.read);
    cache.set('k', record(2));
    expect(await cache.get('k', unread)).toEqual(record(2));
    slow.end(record(1));
    expect(await early).toEqual(record(1));
    expect(await cache.get('k', unread)).toEqual(record(2));
  });

  it('does not let who asks after a write join a read that began before, also without a cache', async () => {
    const cache = new HotCache<KvRecord>(0, bytesOf);
    const slow = slowRead();
    const early = cache.get('k', slow.read);
    cache.set('k', record(2));
    expect(await cache.get('k', async () => record(2))).toEqual(record(2));
    slow.end(record(1));
    await early;
  });

  it('does not remember that there was nothing, or that reading failed', async () => {
    const cache = new HotCache<KvRecord>(10_000, bytesOf);
    expect(await cache.get('k', async () => undefined)).toBeUndefined();
    await expect(cache.get('k', () => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
    expect(await cache.get('k', async () => record(1))).toEqual(record(1));
  });

  it('stays within its bytes: drops what was not asked for longest, keeps nothing that is too large', async () => {
    const cache = new HotCache<KvRecord>(5_000, bytesOf);
    cache.set('a', record(1, 2_000));
    cache.set('b', record(1, 2_000));
    await cache.get('a', unread);
    cache.set('c', record(1, 2_000));
    expect(await cache.get('a', unread)).toBeDefined();
    expect(await cache.get('c', unread)).toBeDefined();
    await expect(cache.get('b', unread)).rejects.toThrow('It was read.');
    cache.set('c', record(2, 6_000));
    await expect(cache.get('c', unread)).rejects.toThrow('It was read.');
  });

  it('is empty once it was cleared, also of reads under way', async () => {
    const cache = new HotCache<KvRecord>(10_000, bytesOf);
    const slow = slowRead();
    const early = cache.get('k', slow.read);
    cache.set('other', record(1));
    cache.clear();
    slow.end(record(1));
    await early;
    await expect(cache.get('k', unread)).rejects.toThrow('It was read.');
    await expect(cache.get('other', unread)).rejects.toThrow('It was read.');
  });
});
