/** Durable marks of what other nodes still lack. */
import { type Hint } from '../../ports/local-kv-repo.js';
import { hintInKey, hintKey, hintRange } from './disk-keys.js';
import { assertId, assertNodeId } from './repo-arguments.js';
import { type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

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
