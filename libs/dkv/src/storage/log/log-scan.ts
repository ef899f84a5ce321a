/** Reads the segments of a log from the oldest on, shows what is in them, and finds where the log ends or is damaged. */
import { Buffer } from 'node:buffer';
import { type EntryKind } from '../../model/raft-messages.js';
import { type HardState, type LogReplay } from '../../ports/node-log.js';
import { type EndNote } from './end-note.js';
import { type LogFile, type LogFiles } from './log-files.js';
import { HEADER_BYTES, type RecordVisitor, walkRecords } from './log-records.js';
import { logOfOtherVersion } from './log-errors.js';
import { type ReadAppend, SegmentReader } from './segment-reader.js';
import { newSegment, segmentName, Segments } from './segments.js';

export interface LogDamage {
  readonly file: string;
  readonly offset: number;
  readonly what: string;
}

/** What was found. The log ends at `position`; what is behind that in its files is to be cut off. */
export class LogScan {
  readonly segments = new Segments();
  readonly hardStates = new Map<number, HardState>();
  position = 0;
  crc = 0;
  /** Length of the last append. */
  lastAppendBytes = 0;
  /** Bytes of an append that was never finished, at the end of the log. */
  tornBytes = 0;
  damage: LogDamage | undefined;
  /** Whether an append ends where the note says that the log was durable, with the CRC that it says. */
  matchesNote = false;
  private previousEnd: number | undefined;
  /** Of the segment read last. */
  private fileBytes = 0;
  private readonly visitor: ReplayVisitor;

  constructor(
    private readonly files: LogFiles,
    private readonly note: EndNote | undefined,
    replay: LogReplay,
  ) {
    this.visitor = new ReplayVisitor(this, replay);
  }

  /**
   * Stops at the first damage.
   * @param starts positions of the segments, in order
   * @throws DkvError `DKV_STORE_MISMATCH`, and what the files throw
   */
  async run(starts: readonly number[]): Promise<void> {
    const [oldest] = starts;
    if (this.note && this.note.begin !== oldest && !this.note.forgot) {
      this.damage = {
        file: segmentName(this.note.begin),
        offset: 0,
        what: 'the file is missing, and was needed still',
      };
    }
    const missing = this.damage;
    this.position = oldest ?? 0;
    for (let at = 0; at < starts.length && this.damage === missing; at++) {
      const file = await this.files.open(segmentName(starts[at]!));
      try {
        await this.read(file, starts[at]!, starts[at + 1]);
      } finally {
        await file.close();
      }
    }
  }

  /** For the visitor: the first record of a segment. */
  beginsBehind(previousEnd: number): void {
    this.previousEnd = previousEnd;
  }

  private async read(file: LogFile, start: number, nextStart: number | undefined): Promise<void> {
    const fileBytes = await file.size();
    const reader = new SegmentReader(file, start, fileBytes);
    const isFirst = this.segments.all.length === 0;
    const head = await reader.next();
    if (!head) {
      await this.withoutHead(reader, start, fileBytes, nextStart === undefined);
      return;
    }
    this.previousEnd = undefined;
    this.walk(head, start, new HeadOnly(this));
    if (!isFirst && (this.previousEnd !== this.position || head.previousCrc !== this.crc)) {
      this.breakBefore(start);
      return;
    }
    if (isFirst) {
      this.sees(start, head.previousCrc);
    }
    this.segments.add(newSegment(start));
    // Bytes beyond the next segment's beginning are of an append that failed and could not be cut off then.
    const end = nextStart ?? Infinity;
    for (
      let append: ReadAppend | undefined = head;
      append;
      append = start + reader.offset < end ? await reader.next(this.crc) : undefined
    ) {
      this.walk(append, start, this.visitor.of(append.bytes));
      this.crc = append.crc;
      this.position = append.position + append.bytes.length;
      this.lastAppendBytes = append.bytes.length;
      this.segments.current.sizeBytes = reader.offset;
      this.sees(this.position, this.crc);
    }
    this.fileBytes = fileBytes;
    if (nextStart === undefined && reader.offset < fileBytes) {
      await this.behindTheEnd(reader, start, fileBytes);
    }
  }

  private walk(append: ReadAppend, start: number, visitor: RecordVisitor): void {
    try {
      walkRecords(append.bytes, HEADER_BYTES, append.bytes.length, visitor);
    } catch (error) {
      if (error instanceof Error && error.name === 'UnknownRecordError') {
        throw logOfOtherVersion(this.files.where, segmentName(start), error.message, error);
      }
      throw error;
    }
  }

  private sees(position: number, crc: number): void {
    this.matchesNote ||= position === this.note?.position && crc === this.note.crc;
  }

  private async withoutHead(
    reader: SegmentReader,
    start: number,
    fileBytes: number,
    isLast: boolean,
  ): Promise<void> {
    if (await reader.isOtherVersion()) {
      throw logOfOtherVersion(this.files.where, segmentName(start), 'the layout has another version');
    }
    const isOnly = this.segments.all.length === 0 && start > 0;
    const isWholeBefore = this.segments.all.length === 0 || this.position === start;
    if (isLast && !isOnly && isWholeBefore && !(await reader.findsAppendBehind())) {
      this.tornBytes = fileBytes;
    } else if (isWholeBefore) {
      this.damage = {
        file: segmentName(start),
        offset: 0,
        what: 'the segment does not begin with a whole append',
      };
    } else {
      this.breakBefore(start);
    }
  }

  private async behindTheEnd(reader: SegmentReader, start: number, fileBytes: number): Promise<void> {
    if (await reader.findsAppendBehind()) {
      this.damage = {
        file: segmentName(start),
        offset: reader.offset,
        what: 'an append that is not whole, with whole ones behind it',
      };
    } else {
      this.tornBytes = fileBytes - reader.offset;
    }
  }

  /** The segment that begins at `start` does not follow what was read. */
  private breakBefore(start: number): void {
    const { name, start: lastStart } = this.segments.current;
    const offset = this.position - lastStart;
    const what =
      this.position === start
        ? `${segmentName(start)} does not follow it: one of the two is of another log`
        : offset < this.fileBytes
          ? `an append that is not whole, and ${segmentName(start)} follows`
          : `the segment ends, and the next one is ${segmentName(start)}: what is between is missing`;
    this.damage = { file: name, offset, what };
  }
}

/** Reads where a segment says that it follows, before anything of it counts. */
class HeadOnly implements RecordVisitor {
  constructor(private readonly scan: LogScan) {}

  segment(previousEnd: number): void {
    this.scan.beginsBehind(previousEnd);
  }

  entry(): void {}
  hardState(): void {}
  reset(): void {}
  batch(): void {}
}

/** Shows records to whoever opens the log, and to the tables of what is needed of each segment. */
class ReplayVisitor implements RecordVisitor {
  private bytes: Buffer = Buffer.alloc(0);

  constructor(
    private readonly scan: LogScan,
    private readonly replay: LogReplay,
  ) {}

  of(bytes: Buffer): this {
    this.bytes = bytes;
    return this;
  }

  segment(): void {}

  entry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    from: number,
    to: number,
  ): void {
    this.scan.segments.entry(group, generation, term, index);
    this.replay.entry(group, generation, term, index, kind, this.bytes.subarray(from, to));
  }

  hardState(group: number, state: HardState): void {
    this.scan.hardStates.set(group, state);
    this.replay.hardState(group, state);
  }

  reset(group: number, generation: number, index: number, term: number): void {
    this.scan.segments.reset(group, generation, index);
    this.replay.reset(group, generation, index, term);
  }

  batch(number: number, from: number, to: number): void {
    this.scan.segments.batch(number);
    this.replay.batch(number, this.bytes.subarray(from, to));
  }
}
