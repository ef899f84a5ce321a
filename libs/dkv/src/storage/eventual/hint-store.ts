/** Durable marks of what other nodes still lack. */
import { type Hint } from '../../ports/local-kv-repo.js';
import { hintInKey, hintKey, hintRange, HINTS_RANGE, nodeIdInHintKey } from './disk-keys.js';
import { assertId, assertNodeId } from './repo-arguments.js';
import { type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

/** Hints taken away at a time. */
const PAGE = 128;
const NO_BYTES = new Uint8Array(0);

export class HintStore {
  constructor(private readonly access: StoreAccess) {}

  async list(nodeId: string, limit: number): Promise<readonly Hint[]> {
    assertNodeId(nodeId);
    const hints: Hint[] = [];
    if (limit <= 0) {
      return hints;
    }
    for await (const { key } of this.access.store.entries(hintRange(nodeId))) {
      hints.push(hintInKey(nodeId, key));
      if (hints.length >= limit) {
        break;
      }
    }
    return hints;
  }

  /** Takes away those of a partition, for whatever node. */
  async drop(partition: number): Promise<void> {
    for (let page = await this.page(partition); page.length > 0; page = await this.page(partition)) {
      await Promise.all(page.map((hint) => this.set(hint, false)));
    }
  }

  private async page(partition: number): Promise<readonly Hint[]> {
    const page: Hint[] = [];
    for await (const { key } of this.access.store.entries(HINTS_RANGE)) {
      const hint = hintInKey(nodeIdInHintKey(key), key);
      if (hint.partition === partition) {
        page.push(hint);
      }
      if (page.length >= PAGE) {
        break;
      }
    }
    return page;
  }

  async set(hint: Hint, present: boolean): Promise<void> {
    const { access } = this;
    access.store.assertAccepting();
    assertNodeId(hint.nodeId);
    assertId(hint, access.partitions);
    const key = hintKey(hint);
    await access.locks.run(`hint\0${key.toString('latin1')}`, async () => {
      const wasPresent = (await access.store.get(key)) !== undefined;
      if (wasPresent === present) {
        return;
      }
      await access.store.write({
        bytes: WRITE_OVERHEAD_BYTES + key.byteLength,
        addTo: (draft) => {
          if (present) {
            draft.put(key, NO_BYTES);
          } else {
            draft.delete(key);
          }
          draft.hintBytes += present ? key.byteLength : -key.byteLength;
        },
      });
    });
  }
}
