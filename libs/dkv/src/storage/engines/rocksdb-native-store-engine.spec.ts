/** What is said where the package is not there, or does not run. The engine itself: test/integrations/rocksdb-native.spec.ts. */
import { describe, expect, it } from 'vitest';
import { rejected } from '../../../testing/caught.js';
import {
  openRocksdbNativeStoreEngine,
  type RocksdbNativePackage,
  rocksdbNativeObstacle,
} from './rocksdb-native-store-engine.js';

/** Loads nothing, as Node and the package tell it. */
function failing(code: string, message: string, cause?: Error): () => RocksdbNativePackage {
  return () => {
    throw Object.assign(new Error(message, { cause }), { code });
  };
}

/** A database that does not open. */
function unopened(error: Error): () => RocksdbNativePackage {
  return () =>
    class {
      ready = () => Promise.reject(error);
    } as unknown as RocksdbNativePackage;
}

const HERE = `${process.platform} on ${process.arch}`;

describe('where rocksdb-native does not run', () => {
  it.each<[string, () => RocksdbNativePackage, string]>([
    [
      'it is not installed',
      failing('MODULE_NOT_FOUND', "Cannot find module 'rocksdb-native'\nRequire stack:\n- /app/a.js"),
      'the rocksdb-native package is not installed',
    ],
    [
      'what it needs is not installed',
      failing('MODULE_NOT_FOUND', "Cannot find module 'streamx'"),
      "the rocksdb-native package cannot be loaded: Cannot find module 'streamx'",
    ],
    [
      'it has no build for the platform',
      failing('ADDON_NOT_FOUND', "Cannot find addon '.' imported from …\nCandidates:\n- file:///app"),
      `the rocksdb-native package has no build for ${HERE}`,
    ],
    [
      'a library of the system is missing',
      failing('CANNOT_LOAD', "Cannot load addon 'file:///app'", new Error('libatomic.so.1: cannot open')),
      'the rocksdb-native package cannot be loaded: libatomic.so.1: cannot open',
    ],
  ])('says why: %s', async (_, load, why) => {
    expect(rocksdbNativeObstacle(load)).toBe(why);
    const error = await rejected(openRocksdbNativeStoreEngine('/data/store', load));
    expect(error.code).toBe('DKV_ENGINE_UNAVAILABLE');
    expect(error.message).toContain(why);
    expect(error.message).toContain('npm install rocksdb-native');
  });

  it('says so of this workspace, which does not install it', () => {
    expect(rocksdbNativeObstacle()).toBe('the rocksdb-native package is not installed');
  });
});

describe('a store that cannot be opened', () => {
  it.each([
    ['lock hold by current process, acquire time 1 acquiring thread 2: /data/store/LOCK: No locks available'],
    ['While lock file: /data/store/LOCK: Resource temporarily unavailable'],
  ])('is locked: %s', async (message) => {
    const error = await rejected(openRocksdbNativeStoreEngine('/data/store', unopened(new Error(message))));
    expect(error.code).toBe('DKV_STORE_LOCKED');
    expect(error.message).toContain('/data/store');
  });

  it('tells what RocksDB says else', async () => {
    const load = unopened(new Error('No space left on device: While appending to file'));
    const error = await rejected(openRocksdbNativeStoreEngine('/data/store', load));
    expect(error.code).toBe('DKV_STORAGE_FAILED');
    expect(error.message).toMatch(/RocksDB cannot open.*\/data\/store.*No space left/);
  });
});
