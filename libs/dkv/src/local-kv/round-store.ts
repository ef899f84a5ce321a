/** The rounds of strong keys: what was promised and accepted, beside the record that is known to be committed. */
import { DkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
import { kept } from '../model/record-layout.js';
import { type KvRecord } from '../model/record.js';
import { NO_VERSION, type Version } from '../model/version.js';
import { type DecideRound, type KeyRound, type RoundChange } from '../ports/local-kv-repo.js';
import {
  collectableKey,
  type CollectableMark,
  roundKey,
  UNSETTLED_RANGE,
  unsettledIdIn,
  unsettledKey,
} from './disk-keys.js';
import { type FloorStore } from './floor-store.js';
import { type HotKey, type HotKeys } from './hot-keys.js';
import { type OpenStore, type StoreWrite } from './open-store.js';
import { type RecordStore } from './record-store.js';
import { assertId, isSuccessor } from './repo-arguments.js';
import { decodeRound, encodeRound, type StoredRound } from './round-layout.js';
import { type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

/** Keys with an open round. Each is settled within milliseconds; this many wait only when proposers died in masses. */
const UNSETTLED_MAX = 100_000;
/** A larger accepted value is not kept beside the same committed one. */
const TWICE_BYTES_MAX = 256;
const NO_BYTES = new Uint8Array(0);
const NO_ROUND: StoredRound = {
  promised: NO_VERSION,
  ballot: NO_VERSION,
  version: NO_VERSION,
  record: undefined,
};

export class RoundStore {
  private readonly open = new Set<HotKey>();

  constructor(
    private readonly access: StoreAccess,
    private readonly keys: HotKeys,
    private readonly records: RecordStore,
    private readonly floors: FloorStore,
  ) {}

  /** Reads which keys have an open round, of a store that is about to open. */
  async load(store: OpenStore): Promise<void> {
    this.clear();
    for await (const { key } of store.entries(UNSETTLED_RANGE)) {
      this.setOpen(this.keys.take(unsettledIdIn(key)), true);
    }
  }

  clear(): void {
    this.open.clear();
  }

  *unsettled(): Generator<RecordId> {
    for (const { partition, namespace, key } of this.open) {
      yield { partition, namespace, key };
    }
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
    return new Promise((resolve, reject) => {
      this.hold(id, (key) => {
        this.change(key, change, false, (error) => {
          this.keys.release(key);
          if (error) {
            reject(error);
          } else {
            resolve();
          }
        });
      });
    });
  }

  settle(id: RecordId, version: Version): Promise<Version> {
    return new Promise((resolve, reject) => {
      this.hold(id, (key) => {
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
      const erasure = tombstone && this.records.erasureOf(key, tombstone);
      const round = { ...this.roundOf(key), promised: held.promised };
      const left = { ...round, committed: tombstone ? undefined : current };
      const remnant = this.remnantOf(id, left);
      const ended = key.unsettled && !this.isOpen(id, left);
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
            draft.delete(unsettledKey(id));
          }
        },
        committed: () => {
          erasure?.committed?.();
          if (ended) {
            this.setOpen(key, false);
          }
          if (spent) {
            key.round = undefined;
          }
        },
      });
      return tombstone !== undefined;
    });
  }

  private hold(id: RecordId, work: (key: HotKey) => void): void {
    this.access.store.assertAccepting();
    assertId(id, this.access.partitions);
    this.keys.hold(id, work);
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
      const decided = change(round) ?? (key.unsettled && !this.isOpen(key, round) ? {} : undefined);
      if (!decided) {
        done(undefined);
        return;
      }
      const before = { ...round, promised: key.round?.promised ?? NO_VERSION };
      write = this.writeOf(key, before, decided, urgent);
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
    const { store, where } = this.access;
    const bytes = await store.get(roundKey(key));
    key.round = bytes && this.decoded(key, bytes, where);
    key.roundLoaded = true;
  }

  private decoded(id: RecordId, bytes: Uint8Array, where: string): StoredRound {
    const { round } = this.access.decoded(id, () => {
      const decoded = decodeRound(id, bytes, where);
      const { namespace, key } = decoded.record ?? id;
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

  private writeOf(
    key: HotKey,
    before: KeyRound,
    { promised = before.promised, accepted = before.accepted, committed }: RoundChange,
    urgent: boolean,
  ): StoreWrite {
    const follows = committed !== undefined && isSuccessor(committed, key.record, key);
    const settled = follows ? committed : before.committed;
    const round = stored(promised, accepted, settled);
    const isOpen = this.isOpen(key, { accepted, committed: settled });
    const place = isEqualRound(round, key.round) ? undefined : roundKey(key);
    const bytes = place && encodeRound(key, round);
    const mark = this.markOf(key, isOpen);
    const record = follows ? this.records.writeOf(key, committed) : undefined;
    const remnantBefore = this.remnantOf(key, before);
    const remnant = this.remnantOf(key, { promised, accepted, committed: settled });
    return {
      urgent,
      bytes:
        WRITE_OVERHEAD_BYTES + (place?.byteLength ?? 0) + (bytes?.byteLength ?? 0) + (record?.bytes ?? 0),
      addTo: (draft) => {
        if (place) {
          draft.put(place, bytes!);
        }
        // In this order: a tombstone may be marked where a promise was.
        if (remnantBefore !== NO_VERSION && remnantBefore !== remnant) {
          draft.delete(collectableKey(key, remnantBefore));
        }
        record?.addTo(draft);
        if (remnant !== NO_VERSION) {
          draft.put(collectableKey(key, remnant), NO_BYTES);
        }
        if (mark) {
          if (isOpen) {
            draft.put(mark, NO_BYTES);
          } else {
            draft.delete(mark);
          }
        }
      },
      committed: () => {
        record?.committed?.();
        key.round = round;
        if (mark) {
          this.setOpen(key, isOpen);
        }
      },
    };
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
  private remnantOf(id: RecordId, { promised, accepted, committed }: Omit<KeyRound, 'floor'>): Version {
    if (committed || (accepted && !this.isForgotten(id, accepted.record))) {
      return NO_VERSION;
    }
    const ballot = accepted?.ballot ?? NO_VERSION;
    return promised > ballot ? promised : ballot;
  }

  /** The durable mark of an open round, where it changes. @throws DkvError `DKV_OVERLOADED` */
  private markOf(key: HotKey, open: boolean): Uint8Array | undefined {
    if (key.unsettled === open) {
      return undefined;
    }
    if (open && this.open.size >= UNSETTLED_MAX) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.open.size} keys of ${this.access.where} have writes of unknown outcome. Try again later.`,
      );
    }
    return unsettledKey(key);
  }

  private setOpen(key: HotKey, open: boolean): void {
    key.unsettled = open;
    if (open) {
      this.open.add(key);
    } else {
      this.open.delete(key);
    }
  }
}

/** Without the record where the committed one is the same and large. */
function stored(
  promised: Version,
  accepted: KeyRound['accepted'],
  committed: KvRecord | undefined,
): StoredRound {
  if (!accepted) {
    return { ...NO_ROUND, promised };
  }
  const { ballot, record } = accepted;
  const { version } = record;
  const twice = committed?.version === version;
  const keeps = !twice || record.value.byteLength <= TWICE_BYTES_MAX;
  return { promised, ballot, version, record: keeps ? kept(record) : undefined };
}

/** Whether nothing of the round is to be written: a commit often changes none of it. */
function isEqualRound(one: StoredRound, two: StoredRound | undefined): boolean {
  return (
    two !== undefined &&
    one.promised === two.promised &&
    one.ballot === two.ballot &&
    one.version === two.version &&
    one.record?.checksum === two.record?.checksum
  );
}
