/** What the parts of a repository share: the open store, its locks, its limits and its name in messages. */
import { DkvError } from '../../dkv.errors.js';
import { type RecordId } from '../../model/key.js';
import { type RecordHeader } from '../../model/record.js';
import { KeyLocks } from '../../model/key-locks.js';
import { type HotKey, type HotKeys } from './hot-keys.js';
import { type OpenStore } from './open-store.js';
import { assertId } from './repo-arguments.js';
import { recoverRemedy } from '../../model/recover-remedy.js';

/** What a put adds in a batch beside its content: key, digest, counters. */
export const WRITE_OVERHEAD_BYTES = 200;

export type Changed<T> = (error: Error | undefined, result?: T) => void;

export class StoreAccess {
  /** Of what is no key: hints. */
  readonly locks = new KeyLocks();
  current: OpenStore | undefined;
  partitions = 0;

  /** `where` is the folder, for messages. */
  constructor(readonly where: string) {}

  /** @throws DkvError `DKV_NOT_READY` */
  get store(): OpenStore {
    if (!this.current) {
      throw new DkvError('DKV_NOT_READY', `The store in ${this.where} is not open.`);
    }
    return this.current;
  }

  /**
   * The store that a key is to be changed in, which was held until now.
   * @throws DkvError `DKV_NOT_READY` when the store in which it was held is not open any more
   */
  storeOf({ named }: HotKey): OpenStore {
    if (!named) {
      throw new DkvError('DKV_NOT_READY', `The store in ${this.where} was closed meanwhile.`);
    }
    return this.store;
  }

  /**
   * Holds a key for a change, which says once that it is done, or what went wrong: then the key is free again, and the
   * promise ends.
   */
  changing<T>(keys: HotKeys, id: RecordId, work: (key: HotKey, done: Changed<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.assertChangeable(id);
      keys.hold(id, (key) => {
        work(key, (error, result) => {
          keys.release(key);
          if (error) {
            reject(error);
          } else {
            resolve(result!);
          }
        });
      });
    });
  }

  /** @throws TypeError, DkvError `DKV_INVALID_KEY`, `DKV_NOT_READY`, `DKV_READ_ONLY`, `DKV_OVERLOADED` */
  assertChangeable(id: RecordId): void {
    this.store.assertAccepting();
    assertId(id, this.partitions);
  }

  /** What `decode` gives, if it is of `id`: a sound record in another's place is damage too. */
  decoded<T extends Pick<RecordHeader, 'namespace' | 'key'>>(id: RecordId, decode: () => T): T {
    const place = () =>
      `key ${JSON.stringify(id.key)} (namespace ${id.namespace}, partition ${id.partition})`;
    let record: T;
    try {
      record = decode();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DkvError('DKV_CORRUPT_RECORD', `At ${place()}: ${reason}`, { cause: error });
    }
    if (record.namespace !== id.namespace || record.key !== id.key) {
      throw new DkvError(
        'DKV_CORRUPT_RECORD',
        `At ${place()} ${this.where} has the record of key ${JSON.stringify(record.key)} (namespace ` +
          `${record.namespace}). ${recoverRemedy(this.where)}`,
      );
    }
    return record;
  }
}
