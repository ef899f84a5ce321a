/** The rounds of strong keys: what was promised and accepted, beside the record that is known to be committed. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
import { type KvRecord } from '../model/record.js';
import { NO_VERSION, type Version } from '../model/version.js';
import { type DecideRound, type KeyRound, type RoundChange } from '../ports/local-kv-repo.js';
import { collectableKey, type CollectableMark, roundKey } from './disk-keys.js';
import { type FloorStore } from './floor-store.js';
import { HotKey, type HotKeys } from './hot-keys.js';
import { OpenRounds } from './open-rounds.js';
import { type OpenStore, type StoreWrite } from './open-store.js';
import { type RecordStore } from './record-store.js';
import { assertId, isSuccessor } from './repo-arguments.js';
import { decodeRound, NO_ROUND, type StoredRound } from './round-layout.js';
import { RoundWrite, storedForm } from './round-write.js';
import { type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

const NO_BYTES = new Uint8Array(0);
/** Keys that a start looks at at a time. */
const LOADED_AT_ONCE = 128;

export class RoundStore {
  private readonly open: OpenRounds;

  constructor(
    private readonly access: StoreAccess,
    private readonly keys: HotKeys,
    private readonly records: RecordStore,
    private readonly floors: FloorStore,
  ) {
    this.open = new OpenRounds(keys, access.where);
  }

  /** Finds out which keys have an open round, of a store that is about to open. */
  load(store: OpenStore): Promise<void> {
    return this.open.load(store, (ids) => this.openAmong(store, ids));
  }

  clear(): void {
    this.open.clear();
  }

  unsettled(): Generator<RecordId> {
    return this.open.ids();
  }

  async get(id: RecordId): Promise<KeyRound> {
    assertId(id, this.access.partitions);
    const hot = this.keys.take(id);
    if (hot.recordLoaded && hot.roundLoaded) {
      return this.shownRound(hot);
    }
    // Held, so that no batch comes between what is read of the record and of the round.
    return this.keys.run(id, async (key) => {
      await this.loadBoth(key);
      return this.shownRound(key);
    });
  }

  /** Resolves when what `change` decided is durable. */
  update(id: RecordId, change: DecideRound): Promise<void> {
    return this.access.changing<void>(this.keys, id, (key, done) => this.change(key, change, false, done));
  }

  settle(id: RecordId, version: Version): Promise<Version> {
    return new Promise((resolve, reject) => {
      this.access.assertChangeable(id);
      this.keys.hold(id, (key) => {
        let store: OpenStore | undefined;
        const change: DecideRound = ({ committed, accepted }) => {
          const isNew = accepted?.record.version === version && (committed?.version ?? NO_VERSION) < version;
          if (!isNew || this.isForgotten(id, accepted.record)) {
            return undefined;
          }
          ({ store } = this.access);
          store.assertRoomForUrgent();
          key.ahead = accepted.record;
          resolve(version);
          return { committed: accepted.record };
        };
        this.change(key, change, true, (error) => {
          // After the disk failed it stays in sight: readers must not go back, and nothing is stored upon it any more.
          if (!error || !store?.failure) {
            key.ahead = undefined;
          }
          const seen = key.shown?.version ?? NO_VERSION;
          this.keys.release(key);
          if (error) {
            reject(error);
          } else {
            resolve(seen);
          }
        });
      });
    });
  }

  /**
   * Erases what the floor of its partition allows of a key that is marked: the tombstone, and the round where no record
   * is left and nothing in it is above the floor. Whether there was a tombstone to erase.
   */
  collect({ id, version }: CollectableMark): Promise<boolean> {
    return this.keys.run(id, async (key) => {
      await this.loadBoth(key);
      const { record: current, round: held = NO_ROUND } = key;
      const floor = this.floors.floorOf(id.partition);
      const tombstone = current && this.isForgotten(id, current) ? current : undefined;
      const erasure = tombstone && this.records.erasureOf(key);
      const left = { ...this.roundOf(key), committed: tombstone ? undefined : current };
      const remnant = this.remnantOf(id, held.promised, left);
      const ended = key.openIn !== undefined && !this.isOpen(id, left);
      const spent = remnant !== NO_VERSION && remnant <= floor;
      const mark = collectableKey(id, version);
      await this.access.storeOf(key).write({
        bytes: WRITE_OVERHEAD_BYTES + mark.byteLength + (erasure?.bytes ?? 0),
        addTo: (draft) => {
          // Also where nothing is erased: what was marked has changed since.
          draft.delete(mark);
          erasure?.addTo(draft);
          if (spent) {
            draft.delete(roundKey(id));
          } else if (remnant !== NO_VERSION) {
            draft.put(collectableKey(id, remnant), NO_BYTES);
          }
          if (ended) {
            this.open.close(draft, key);
          }
        },
        committed: () => {
          erasure?.committed?.();
          if (spent) {
            key.round = undefined;
          }
        },
      });
      return tombstone !== undefined;
    });
  }

  /** Calls `done` once: when what `change` decided is durable, or with what went wrong. */
  private change(
    key: HotKey,
    change: DecideRound,
    urgent: boolean,
    done: (error: Error | undefined) => void,
  ): void {
    if (key.recordLoaded && key.roundLoaded) {
      this.changeLoaded(key, change, urgent, done);
    } else {
      this.loadBoth(key).then(() => this.changeLoaded(key, change, urgent, done), done);
    }
  }

  private changeLoaded(
    key: HotKey,
    change: DecideRound,
    urgent: boolean,
    done: (error: Error | undefined) => void,
  ): void {
    let store: OpenStore;
    let write: StoreWrite;
    try {
      store = this.access.storeOf(key);
      const round = this.roundOf(key);
      // A floor that rose may have ended a round that is marked as open: whoever looks after it finds that out here.
      const decided = change(round) ?? (key.openIn && !this.isOpen(key, round) ? {} : undefined);
      if (!decided) {
        done(undefined);
        return;
      }
      write = this.writeOf(key, round, decided, urgent);
    } catch (error) {
      done(error as Error);
      return;
    }
    store.submit(write, done);
  }

  private async loadBoth(key: HotKey): Promise<void> {
    await Promise.all([this.records.load(key), this.loadRound(key)]);
  }

  /** Of a key that is held. */
  private async loadRound(key: HotKey): Promise<void> {
    if (key.roundLoaded) {
      return;
    }
    key.round = await this.readFrom(this.access.store, key);
    key.roundLoaded = true;
  }

  private async readFrom(store: OpenStore, key: HotKey): Promise<StoredRound | undefined> {
    const bytes = await store.get(roundKey(key));
    return bytes && this.decoded(key, bytes, this.access.where);
  }

  private decoded(owner: HotKey, bytes: Uint8Array, where: string): StoredRound {
    const { round } = this.access.decoded(owner, () => {
      const decoded = decodeRound(owner, bytes, where);
      const { namespace, key } = decoded.record ?? owner;
      return { round: decoded, namespace, key };
    });
    return round;
  }

  /** With what readers see already. */
  private shownRound(key: HotKey): KeyRound {
    const round = this.roundOf(key);
    return key.ahead ? { ...round, committed: key.ahead } : round;
  }

  private roundOf(hot: HotKey): KeyRound {
    const { partition, record: committed, round } = hot;
    const floor = this.floors.floorOf(partition);
    const fence = this.floors.fenceOf(partition);
    const own = round?.promised ?? NO_VERSION;
    const promised = fence > own ? fence : own;
    if (!round || round.ballot === NO_VERSION) {
      return { committed, promised, accepted: undefined, floor };
    }
    const { ballot, version } = round;
    const accepted = round.record ?? (committed?.version === version ? committed : undefined);
    if (!accepted) {
      throw new DkvError(
        'DKV_CORRUPT_RECORD',
        `The record that was accepted for key ${JSON.stringify(hot.key)} is missing in ${this.access.where}. Remove ` +
          `this node's data folder so that it refills from its replicas.`,
      );
    }
    return { committed, promised, accepted: { ballot, record: accepted }, floor };
  }

  /** @throws DkvError `DKV_OVERLOADED`, and what `isSuccessor` does */
  private writeOf(key: HotKey, before: KeyRound, decided: RoundChange, urgent: boolean): StoreWrite {
    const own = key.round?.promised ?? NO_VERSION;
    const { promised = own, accepted = before.accepted, committed: next } = decided;
    const follows = next !== undefined && isSuccessor(next, key.record, key);
    const committed = follows ? next : before.committed;
    const isOpen = this.isOpen(key, { accepted, committed });
    if (isOpen && !key.openIn) {
      this.open.assertRoom();
    }
    return new RoundWrite({
      key,
      open: this.open,
      isOpen,
      urgent,
      round: storedForm(promised, accepted, committed),
      record: follows ? this.records.writeOf(key, next) : undefined,
      remnantBefore: this.remnantOf(key, own, before),
      remnant: this.remnantOf(key, promised, { accepted, committed }),
    });
  }

  /** Whether a record was accepted of which it is not known whether it is committed. */
  private isOpen(id: RecordId, { accepted, committed }: Pick<KeyRound, 'accepted' | 'committed'>): boolean {
    if (!accepted || this.isForgotten(id, accepted.record)) {
      return false;
    }
    return accepted.record.version > (committed?.version ?? NO_VERSION);
  }

  /** A tombstone up to the floor: every node of the partition held it, and it is not there any more. */
  private isForgotten({ partition }: RecordId, { tombstone, version }: KvRecord): boolean {
    return tombstone && version <= this.floors.floorOf(partition);
  }

  /** From which floor on the round of a key that has no record may be erased: '' where it may not, or is none. */
  private remnantOf(
    id: RecordId,
    promised: Version,
    { accepted, committed }: Pick<KeyRound, 'accepted' | 'committed'>,
  ): Version {
    if (committed || (accepted && !this.isForgotten(id, accepted.record))) {
      return NO_VERSION;
    }
    const ballot = accepted?.ballot ?? NO_VERSION;
    return promised > ballot ? promised : ballot;
  }

  /** Those of `ids` that have an open round in a store that is about to open. What is damaged is left to who reads it. */
  private async openAmong(store: OpenStore, ids: readonly RecordId[]): Promise<RecordId[]> {
    const open: RecordId[] = [];
    for (let at = 0; at < ids.length; at += LOADED_AT_ONCE) {
      const some = ids.slice(at, at + LOADED_AT_ONCE);
      const areOpen = await Promise.all(some.map((id) => this.isOpenIn(store, id)));
      open.push(...some.filter((_, index) => areOpen[index]));
    }
    return open;
  }

  private async isOpenIn(store: OpenStore, id: RecordId): Promise<boolean> {
    const key = new HotKey(id);
    try {
      [key.record, key.round] = await Promise.all([
        this.records.readFrom(store, key),
        this.readFrom(store, key),
      ]);
      return this.isOpen(id, this.roundOf(key));
    } catch (error) {
      if (isDkvError(error, 'DKV_CORRUPT_RECORD')) {
        return true;
      }
      throw error;
    }
  }
}
