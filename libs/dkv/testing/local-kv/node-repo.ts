/** The repository of eventual records as a node has it, on its log and its engine, for tests of what folders keep. */
import { createNodeStorage, type CreateNodeStorageOptions } from '../../src/storage/create-node-storage.js';
import { type LocalKvRepo, type StoreIdentity } from '../../src/ports/local-kv-repo.js';
import { type NodeStorage } from '../../src/storage/node-storage.js';
import { SystemClock } from '../../src/system/system-clock.js';

const MIB = 1024 * 1024;

export type NodeRepoOptions = Pick<
  CreateNodeStorageOptions,
  'storage' | 'dataDir' | 'durability' | 'logger'
> &
  Partial<CreateNodeStorageOptions>;

/** Not open: `open` opens the storage of the node, `close` closes all of it. */
export function nodeRepo(options: NodeRepoOptions): LocalKvRepo {
  let storage: NodeStorage | undefined;
  const own: Partial<LocalKvRepo> = {
    open: async (identity: StoreIdentity) => {
      if (storage) {
        return storage.local.open(identity);
      }
      storage = await createNodeStorage(identity, {
        cacheBytesMax: 128 * MIB,
        logRetentionBytesMax: 256 * MIB,
        reserveBytes: 0,
        clock: new SystemClock(),
        ...options,
      });
    },
    close: async () => storage?.close(),
  };
  return new Proxy(own as LocalKvRepo, {
    get: (_, name) => {
      if (!storage || name in own) {
        return Reflect.get(own, name) as unknown;
      }
      const found = Reflect.get(storage.local, name, storage.local) as unknown;
      return typeof found === 'function' ? (found.bind(storage.local) as unknown) : found;
    },
  });
}
