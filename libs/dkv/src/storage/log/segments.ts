/** The segment files of the node log, and what each of them holds that is needed still. */
import { type LogCoverage } from '../../ports/node-log.js';
import { type RecordVisitor } from './log-records.js';

const NAME_PATTERN = /^log-([0-9a-f]{16})\.seg$/;

export function segmentName(start: number): string {
  return `log-${start.toString(16).padStart(16, '0')}.seg`;
}

/** The position where the segment of this name begins; undefined when it is no segment's. */
export function segmentStart(name: string): number | undefined {
  const digits = NAME_PATTERN.exec(name)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

export interface Segment {
  readonly name: string;
  /** Position of its first byte. */
  readonly start: number;
  /** Of whole appends. */
  sizeBytes: number;
  /** The highest index of each group in it that a restart may need. */
  readonly lastIndexes: Map<number, number>;
  /** Number of the last batch in it; -1 when there is none. */
  lastBatch: number;
}

export function newSegment(start: number): Segment {
  return { name: segmentName(start), start, sizeBytes: 0, lastIndexes: new Map(), lastBatch: -1 };
}

/**
 * Which segments there are, oldest first, the last one being appended to. Is shown every record once it is durable: an
 * entry voids what older segments hold of its group from its index on, a reset all that was there before.
 */
export class Segments implements Pick<RecordVisitor, 'entry' | 'reset' | 'batch'> {
  private readonly list: Segment[] = [];
  private pinned: readonly number[] = [];

  get all(): readonly Segment[] {
    return this.list;
  }

  get current(): Segment {
    return this.list.at(-1)!;
  }

  get bytes(): number {
    return this.list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Groups that kept the oldest segment at the last {@link Segments.takeCovered}. */
  get pinnedGroups(): readonly number[] {
    return this.pinned;
  }

  add(segment: Segment): void {
    this.list.push(segment);
  }

  entry(group: number, _generation: number, _term: number, index: number): void {
    const { lastIndexes } = this.current;
    const last = lastIndexes.get(group);
    if (last === undefined || index <= last) {
      // The first of its group here, or one that replaces others.
      this.voidFrom(group, index);
    }
    if (last === undefined || index > last) {
      lastIndexes.set(group, index);
    }
  }

  reset(group: number, _generation: number, index: number): void {
    this.voidFrom(group, index + 1);
    // What this segment has of the group before it is void, too.
    this.current.lastIndexes.set(group, index);
  }

  batch(number: number): void {
    this.current.lastBatch = number;
  }

  /** Removes from the list, oldest first, what is covered, and gives it; never the current one. */
  takeCovered(coverage: LogCoverage): Segment[] {
    const covered: Segment[] = [];
    this.pinned = [];
    while (this.list.length > 1) {
      const oldest = this.list[0]!;
      const groups = [...oldest.lastIndexes].filter(([group, index]) => coverage.indexOf(group) < index);
      if (groups.length > 0 || oldest.lastBatch > coverage.batchesUpTo) {
        this.pinned = groups.map(([group]) => group);
        break;
      }
      covered.push(this.list.shift()!);
    }
    return covered;
  }

  private voidFrom(group: number, index: number): void {
    for (let at = this.list.length - 2; at >= 0; at--) {
      const { lastIndexes } = this.list[at]!;
      const last = lastIndexes.get(group);
      if (last !== undefined && last >= index) {
        lastIndexes.set(group, index - 1);
      }
    }
  }
}
