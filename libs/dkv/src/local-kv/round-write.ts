/** The write of a change of a key's round: the round, the record that it commits, what finds them. */
import { kept } from '../model/record-layout.js';
import { type KvRecord } from '../model/record.js';
import { NO_VERSION, type Version } from '../model/version.js';
import { type KeyRound } from '../ports/local-kv-repo.js';
import { collectableKey, roundKey } from './disk-keys.js';
import { type HotKey } from './hot-keys.js';
import { type OpenRounds } from './open-rounds.js';
import { type BatchDraft, type StoreWrite } from './open-store.js';
import { encodeRound, NO_ROUND, type StoredRound } from './round-layout.js';
import { WRITE_OVERHEAD_BYTES } from './store-access.js';

/** A larger accepted value is not kept beside the same committed one. */
const TWICE_BYTES_MAX = 256;
const NO_BYTES = new Uint8Array(0);

export interface RoundWriteParts {
  /** Held until the write is durable. */
  readonly key: HotKey;
  readonly open: OpenRounds;
  /** Whether its round is open afterwards. */
  readonly isOpen: boolean;
  readonly urgent: boolean;
  readonly round: StoredRound;
  /** The write of the record that is committed, if one is. */
  readonly record: StoreWrite | undefined;
  /** From which floor on the round may be erased, before and afterwards; '' where it may not. */
  readonly remnantBefore: Version;
  readonly remnant: Version;
}

export class RoundWrite implements StoreWrite {
  readonly urgent: boolean;
  readonly bytes: number;
  private readonly place: Uint8Array | undefined;
  private readonly value: Uint8Array | undefined;

  constructor(private readonly parts: RoundWriteParts) {
    const { key, round, record, urgent } = parts;
    this.urgent = urgent;
    if (!isEqualRound(round, key.round)) {
      this.place = roundKey(key);
      this.value = encodeRound(key, round);
    }
    const own = (this.place?.byteLength ?? 0) + (this.value?.byteLength ?? 0);
    this.bytes = WRITE_OVERHEAD_BYTES + own + (record?.bytes ?? 0);
  }

  addTo(draft: BatchDraft): void {
    const { key, open, isOpen, record, remnantBefore, remnant } = this.parts;
    if (this.place) {
      draft.put(this.place, this.value!);
    }
    // In this order: a tombstone may be marked where a promise was.
    if (remnantBefore !== NO_VERSION && remnantBefore !== remnant) {
      draft.delete(collectableKey(key, remnantBefore));
    }
    record?.addTo(draft);
    if (remnant !== NO_VERSION) {
      draft.put(collectableKey(key, remnant), NO_BYTES);
    }
    if (isOpen !== (key.openIn !== undefined)) {
      if (isOpen) {
        open.open(draft, key);
      } else {
        open.close(draft, key);
      }
    }
  }

  committed(): void {
    const { key, round, record } = this.parts;
    record?.committed?.();
    key.round = round;
  }
}

/** A round as it is stored: without the record where the committed one is the same and large. */
export function storedForm(
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
