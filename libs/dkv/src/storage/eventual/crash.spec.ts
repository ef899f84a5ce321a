import { describe, it } from 'vitest';
import { assertSurvivesKills, type CrashVariant } from '../../../testing/local-kv/crash-test.js';

const VARIANTS: readonly CrashVariant[] = [
  { storage: 'rocksdb', durability: 'wal' },
  { storage: 'classic-level', durability: 'fsync' },
];

describe.each(VARIANTS)('after kill -9 in the middle of writes, $storage with $durability', (variant) => {
  it('all that was acknowledged is there, trees and counters fit it', () => assertSurvivesKills(variant));
});
