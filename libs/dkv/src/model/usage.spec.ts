import { describe, expect, it } from 'vitest';
import { decodeUsage, encodeUsage, keysIn, UsageCount } from './usage.js';

const decoded = (bytes: Buffer, at = 0, end = bytes.length) => decodeUsage(bytes, at, end);

describe('the usage of namespaces', () => {
  it('adds up by namespace', () => {
    const count = new UsageCount(new Map([['a', { keys: 1, bytes: 10 }]]));
    count.add('a', 1, 5);
    count.add('b', 1, 7);
    count.add('a', -1, -10);
    count.addAll(new Map([['b', { keys: 2, bytes: -1 }]]), 3);
    expect(Object.fromEntries(count.byNamespace)).toEqual({
      a: { keys: 1, bytes: 5 },
      b: { keys: 7, bytes: 4 },
    });
    expect(keysIn(count.byNamespace)).toBe(8);
  });

  it('leaves what it began with as it is', () => {
    const start = new Map([['a', { keys: 1, bytes: 10 }]]);
    new UsageCount(start).add('a', 1, 1);
    expect(start.get('a')).toEqual({ keys: 1, bytes: 10 });
  });

  it('is stored and read again, without namespaces that are empty', () => {
    const usage = new Map([
      ['a', { keys: 2 ** 48 - 1, bytes: 3 }],
      ['gone', { keys: 0, bytes: 0 }],
      ['größer', { keys: 1, bytes: 2 ** 48 - 1 }],
    ]);
    const bytes = Buffer.concat([Buffer.from('head'), encodeUsage(usage), Buffer.from('tail')]);
    usage.delete('gone');
    expect(decoded(bytes, 4)).toEqual({ usage, end: bytes.length - 4 });
  });

  it('is whole and not below 0 where it was estimated', () => {
    const usage = new Map([
      ['a', { keys: 1.6, bytes: -3 }],
      ['b', { keys: -2, bytes: 5 }],
    ]);
    expect(decoded(encodeUsage(usage))!.usage).toEqual(new Map([['a', { keys: 2, bytes: 0 }]]));
  });

  it('that ends too early is refused', () => {
    const bytes = encodeUsage(new Map([['carts', { keys: 1, bytes: 2 }]]));
    for (let end = 0; end < bytes.length; end++) {
      expect(decoded(bytes, 0, end)).toBeUndefined();
    }
  });
});
