/** The rounds of strong keys: what was promised and accepted, beside the record that is known to be committed. */
import { DkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
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
import { HotCache } from './hot-cache.js';
import { type OpenStore, type StoreWrite } from './open-store.js';
import { bytesOf, copyOf, type RecordStore } from './record-store.js';
import { assertId, isSuccessor } from './repo-arguments.js';
import { decodeRound, encodeRound, type StoredRound } from './round-layout.js';
import { lockOf, type StoreAccess, WRITE_OVERHEAD_BYTES } from './store-access.js';

/** What an entry takes beside its record, about. */
const ENTRY_BYTES = 500;
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
  private readonly cache: HotCache<StoredRound>;
  private readonly open = new Map<string, RecordId>();

  constructor(
    private readonly access: StoreAccess,
    private readonly records: RecordStore,
    private readonly floors: FloorStore,
    cacheBytesMax: number,
  ) {
    this.cache = new HotCache(cacheBytesMax, ({ record }) => ENTRY_BYTES + (record ? bytesOf(record) : 0));
  }

  /** Reads which keys have an open round, of a store that is about to open. */
  async load(store: OpenStore): Promise<void> {
    this.clear();
    for await (const { key } of store.entries(UNSETTLED_RANGE)) {
      const id = unsettledIdIn(key);
      this.open.set(lockOf(id), id);
    }
  }

  clear(): void {
    this.cache.clear();
    this.open.clear();
  }

  unsettled(): Iterable<RecordId> {
    return this.open.values();
  }

  isUnsettled(id: RecordId): boolean {
    return this.open.has(lockOf(id));
  }

  async get(id: RecordId): Promise<KeyRound> {
    const [committed, stored] = await Promise.all([this.records.read(id), this.read(id)]);
    // A batch may have come between the two reads; they are of one moment when none can.
    return isWhole(committed, stored)
      ? this.roundOf(id, copyOf(committed), stored)
      : this.access.locks.run(lockOf(id), async () =>
          this.roundOf(id, copyOf(await this.records.read(id)), await this.read(id)),
        );
  }

  async update(id: RecordId, change: DecideRound): Promise<void> {
    this.access.store.assertAccepting();
    await this.access.locks.run(lockOf(id), () => this.updateLocked(id, change));
  }

  async settle(id: RecordId, version: Version): Promise<void> {
    this.access.store.assertAccepting();
    await new Promise<void>((resolve, reject) => {
      const work = async () => {
        let shown: { landed(): void } | undefined;
        const change: DecideRound = ({ committed, accepted }) => {
          const isNew = accepted?.record.version === version && (committed?.version ?? NO_VERSION) < version;
          if (!isNew || this.isForgotten(id, accepted.record)) {
            return undefined;
          }
          shown = this.records.showAhead(id, accepted.record);
          resolve();
          return { committed: accepted.record };
        };
        try {
          await this.updateLocked(id, change, true);
        } catch (error) {
          // After the disk failed it stays in sight: readers must not go back, and nothing is stored upon it any more.
          if (!this.access.store.failure) {
            shown?.landed();
          }
          throw error;
        }
        shown?.landed();
        resolve();
      };
      this.access.locks.run(lockOf(id), work).catch(reject);
    });
  }

  /**
   * Erases what the floor of its partition allows of a key that is marked: the tombstone, and the round where no record
   * is left and nothing in it is above the floor. Whether there was a tombstone to erase.
   */
  collect({ id, version }: CollectableMark): Promise<boolean> {
    return this.access.locks.run(lockOf(id), async () => {
      const [current, held = NO_ROUND] = await Promise.all([this.records.read(id), this.read(id)]);
      const floor = this.floors.floorOf(id.partition);
      const tombstone = current && this.isForgotten(id, current) ? current : undefined;
      const erasure = tombstone && this.records.erasureOf(id, tombstone);
      const round = { ...this.roundOf(id, current, held), promised: held.promised };
      const left = { ...round, committed: tombstone ? undefined : current };
      const remnant = this.remnantOf(id, left);
      const ended = this.isUnsettled(id) && !this.isOpen(id, left);
      const spent = remnant !== NO_VERSION && remnant <= floor;
      const mark = collectableKey(id, version);
      await this.access.store.write({
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
            this.setOpen(id, false);
          }
          if (spent) {
            this.cache.delete(lockOf(id));
          }
        },
      });
      return tombstone !== undefined;
    });
  }

  private async updateLocked(id: RecordId, change: DecideRound, urgent = false): Promise<void> {
    const [current, stored = NO_ROUND] = await Promise.all([this.records.read(id), this.read(id)]);
    const round = this.roundOf(id, copyOf(current), stored);
    // A floor that rose may have ended a round that is marked as open: whoever looks after it finds that out here.
    const decided = change(round) ?? (this.isUnsettled(id) && !this.isOpen(id, round) ? {} : undefined);
    if (decided) {
      const before = { ...round, promised: stored.promised };
      await this.access.store.write({ ...this.writeOf(id, current, before, decided), urgent });
    }
  }

  private async read(id: RecordId): Promise<StoredRound | undefined> {
    const { store, partitions, where } = this.access;
    assertId(id, partitions);
    return this.cache.get(lockOf(id), async () => {
      const bytes = await store.get(roundKey(id));
      return bytes && this.decoded(id, bytes, where);
    });
  }

  private decoded(id: RecordId, bytes: Uint8Array, where: string): StoredRound {
    const { round } = this.access.decoded(id, () => {
      const decoded = decodeRound(id, bytes, where);
      return { round: decoded, ...(decoded.record ?? id) };
    });
    return round;
  }

  private roundOf(
    { partition, key }: RecordId,
    committed: KvRecord | undefined,
    stored: StoredRound = NO_ROUND,
  ): KeyRound {
    const { ballot, version, record } = stored;
    const floor = this.floors.floorOf(partition);
    const fence = this.floors.fenceOf(partition);
    const promised = fence > stored.promised ? fence : stored.promised;
    if (ballot === NO_VERSION) {
      return { committed, promised, accepted: undefined, floor };
    }
    const accepted = record ? copyOf(record) : committed?.version === version ? committed : undefined;
    if (!accepted) {
      throw new DkvError(
        'DKV_CORRUPT_RECORD',
        `The record that was accepted for key ${JSON.stringify(key)} is missing in ${this.access.where}. Remove this ` +
          `node's data folder so that it refills from its replicas.`,
      );
    }
    return { committed, promised, accepted: { ballot, record: accepted }, floor };
  }

  private writeOf(
    id: RecordId,
    current: KvRecord | undefined,
    before: KeyRound,
    { promised = before.promised, accepted = before.accepted, committed }: RoundChange,
  ): StoreWrite {
    const follows = committed !== undefined && isSuccessor(committed, current, id);
    const settled = follows ? committed : before.committed;
    const round = stored(promised, accepted, settled);
    const key = roundKey(id);
    const bytes = encodeRound(id, round);
    const mark = this.markOf(id, this.isOpen(id, { accepted, committed: settled }));
    const record = follows ? this.records.writeOf(id, current, committed) : undefined;
    const remnantBefore = this.remnantOf(id, before);
    const remnant = this.remnantOf(id, { promised, accepted, committed: settled });
    return {
      bytes: WRITE_OVERHEAD_BYTES + key.byteLength + bytes.byteLength + (record?.bytes ?? 0),
      addTo: (draft) => {
        draft.put(key, bytes);
        // In this order: a tombstone may be marked where a promise was.
        if (remnantBefore !== NO_VERSION && remnantBefore !== remnant) {
          draft.delete(collectableKey(id, remnantBefore));
        }
        record?.addTo(draft);
        if (remnant !== NO_VERSION) {
          draft.put(collectableKey(id, remnant), NO_BYTES);
        }
        if (mark?.present) {
          draft.put(mark.key, NO_BYTES);
        } else if (mark) {
          draft.delete(mark.key);
        }
      },
      committed: () => {
        record?.committed?.();
        this.cache.set(lockOf(id), round);
        if (mark) {
          this.setOpen(id, mark.present);
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
  private markOf(id: RecordId, open: boolean): { key: Uint8Array; present: boolean } | undefined {
    if (this.isUnsettled(id) === open) {
      return undefined;
    }
    if (open && this.open.size >= UNSETTLED_MAX) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.open.size} keys of ${this.access.where} have writes of unknown outcome. Try again later.`,
      );
    }
    return { key: unsettledKey(id), present: open };
  }

  private setOpen(id: RecordId, open: boolean): void {
    if (open) {
      this.open.set(lockOf(id), { partition: id.partition, namespace: id.namespace, key: id.key });
    } else {
      this.open.delete(lockOf(id));
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
  const keep = !twice || record.value.byteLength <= TWICE_BYTES_MAX;
  return { promised, ballot, version, record: keep ? copyOf(record) : undefined };
}

/** Whether the accepted record is there: in the round, or as the committed one. */
function isWhole(committed: KvRecord | undefined, round: StoredRound | undefined): boolean {
  return !round?.version || round.record !== undefined || committed?.version === round.version;
}
