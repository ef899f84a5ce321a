/** Joins two records of a key by the namespace's merger; a join of unlike values is a new value and is stamped. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type KvRecord, type RecordDraft, stampRecord } from '../model/record.js';
import { physicalMsOf, type Version } from '../model/version.js';
import { type Codec } from '../ports/codec.js';
import { type Merger, type MergeSide } from '../ports/merger.js';
import { LastWriteWinsMerger } from './last-write-wins-merger.js';

/** The version of a join right above the newer of its inputs. */
export type StampJoin = (newer: Version) => Version;

type Unstamped = RecordDraft;

export class RecordMerger {
  /** Last-write-wins needs no values, so it works on headers and never stamps. */
  readonly newestWins: boolean;
  /** By which nodes compare it; '' for one that has none. */
  readonly name: string;

  constructor(
    private readonly merger: Merger,
    private readonly codec: Codec,
    private readonly valueBytesMax = Infinity,
  ) {
    this.newestWins = merger instanceof LastWriteWinsMerger;
    this.name = merger.name ?? '';
  }

  /**
   * The record that stands after `incoming` met `current`: the newer one verbatim whenever nothing of the older is
   * missing in it, else a new record versioned right above it. A delete (or expiry before the other was written) is not
   * merged: the newer wins.
   * @throws DkvError `DKV_CORRUPT_RECORD` when equal versions have unequal content; `DKV_CODEC_FAILED` when the
   *   merger or the codec throws; `DKV_VALUE_TOO_LARGE` when the joined value is.
   */
  join(current: KvRecord | undefined, incoming: KvRecord, stampJoin: StampJoin): KvRecord {
    if (!current) {
      return incoming;
    }
    if (current.version === incoming.version) {
      assertSameContent(current, incoming);
      return current;
    }
    const [older, newer] = current.version < incoming.version ? [current, incoming] : [incoming, current];
    if (this.newestWins || !bothLive(older, newer)) {
      return newer;
    }
    const value = this.mergeValues(older, newer);
    return value === newer.value
      ? newer
      : stampRecord({ ...newer, value, version: stampJoin(newer.version) });
  }

  /** The value of a write upon `current`: merged where both live, the incoming one otherwise. */
  writeValue(current: KvRecord | undefined, incoming: Unstamped): Uint8Array {
    if (!current || this.newestWins || !bothLive(current, incoming)) {
      return incoming.value;
    }
    return this.mergeValues(current, incoming);
  }

  /** The merged bytes; the very bytes of `newer` when nothing of `older` is missing in it. */
  private mergeValues(older: Unstamped, newer: Unstamped): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.mergedBytes(older, newer);
    } catch (cause) {
      throw new DkvError(
        'DKV_CODEC_FAILED',
        `The merger or the codec failed on key ${JSON.stringify(newer.key)}: ` +
          `${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
    if (bytes.length > this.valueBytesMax) {
      throw new DkvError(
        'DKV_VALUE_TOO_LARGE',
        `The merged value of key ${JSON.stringify(newer.key)} has ${bytes.length} bytes; valueBytesMax is ` +
          `${this.valueBytesMax}.`,
      );
    }
    return bytes;
  }

  private mergedBytes(older: Unstamped, newer: Unstamped): Uint8Array {
    const [a, b] = [this.side(older), this.side(newer)];
    const merged = this.merger.merge(a, b);
    if (merged === b.value) {
      return newer.value;
    }
    const bytes = this.codec.encode(merged);
    if (equalBytes(bytes, newer.value)) {
      return newer.value;
    }
    // A codec may write one set in two orders: without the second look two replicas would join for ever.
    const turned = this.codec.encode(this.merger.merge(b, a));
    return equalBytes(turned, newer.value) ? newer.value : bytes;
  }

  private side(record: Unstamped): MergeSide {
    const { version } = record;
    return { value: this.codec.decode(record.value), modified: physicalMsOf(version), version };
  }
}

type Dated = Pick<KvRecord, 'tombstone' | 'expiresAtMs' | 'version'>;

/** Judged by the newer version's time and not by a clock, so that every replica judges alike. */
function bothLive(older: Dated, newer: Dated): boolean {
  const expired = older.expiresAtMs !== 0 && older.expiresAtMs <= physicalMsOf(newer.version);
  return !older.tombstone && !newer.tombstone && !expired;
}

function assertSameContent(current: KvRecord, incoming: KvRecord): void {
  if (current.checksum !== incoming.checksum) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `Two records of key ${JSON.stringify(current.key)} carry version ${current.version} with other content. ` +
        'One of two copies was changed outside of the store: neither was touched.',
    );
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
