/** What a recovery makes void of a member's log is kept in a file: somebody may have been told that it is done (rule 13). */
import { Buffer } from 'node:buffer';
import { type LogEntry } from '../model/raft-messages.js';
import { type Logger } from '../ports/logger.js';
import { type StrongGroup } from './strong-group.js';

/** @returns a line of JSON for each entry; `data` in base64 */
export function linesOf(partition: number, entries: readonly LogEntry[]): string {
  return entries
    .map(({ term, index, kind, data }) => {
      const base64 = Buffer.from(data).toString('base64');
      return `${JSON.stringify({ partition, term, index, kind, data: base64 })}\n`;
    })
    .join('');
}

/** The one that leads says something a few times a second: a disk that is full is asked again twice a minute. */
const PAUSE_DOUBLINGS_MAX = 7;

interface Kept {
  readonly generation: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly isDurable: boolean;
}

/** Of the groups of a node that are about to begin a generation which another member began. */
export class DroppedEntries {
  private readonly kept = new Map<number, Kept>();
  /** By group: how often it failed, and how many times it was asked for since. */
  private readonly failed = new Map<number, { readonly times: number; asked: number }>();

  constructor(
    private readonly parts: {
      readonly logger: Logger;
      /** Adds a text to a file beside the data, durably. */
      readonly keep: (name: string, text: string) => Promise<void>;
      /** Nothing outlives the process: there is nowhere to keep it. */
      readonly isVolatile: boolean;
    },
  ) {}

  forget(group: number): void {
    this.kept.delete(group);
    this.failed.delete(group);
  }

  /**
   * Whether all of the group's log that is not known to be committed here is in a file, or there is nothing of that; if not,
   * the first call begins to write it. Ask again soon.
   */
  areKept({ number, applied, raft }: StrongGroup, generation: number): boolean {
    const { lastTerm, lastIndex } = raft;
    const entries = raft.tailFrom(applied + 1);
    if (entries.length === 0) {
      return true;
    }
    const last = this.kept.get(number);
    if (last?.generation === generation && last.lastTerm === lastTerm && last.lastIndex === lastIndex) {
      return last.isDurable;
    }
    if (this.parts.isVolatile) {
      this.parts.logger.warn(
        `${entries.length} entries of partition ${number} that were not known to be committed here are void, and nothing is ` +
          'kept on a disk here: what goes on as another generation may lack them.',
      );
      return true;
    }
    const failed = this.failed.get(number);
    if (failed && ++failed.asked < 2 ** Math.min(failed.times, PAUSE_DOUBLINGS_MAX)) {
      return false;
    }
    const found = { generation, lastTerm, lastIndex };
    this.kept.set(number, { ...found, isDurable: false });
    const name = `dropped-partition-${number}-generation-${generation}.jsonl`;
    this.parts.keep(name, linesOf(number, entries)).then(
      () => {
        this.failed.delete(number);
        this.kept.set(number, { ...found, isDurable: true });
        this.parts.logger.warn(
          `${entries.length} entries of partition ${number} that were not known to be committed here are in ${name}: what goes ` +
            'on as another generation may lack them.',
        );
      },
      (error: Error) => {
        this.kept.delete(number);
        this.failed.set(number, { times: (failed?.times ?? 0) + 1, asked: 0 });
        this.parts.logger.error(
          `The entries of partition ${number} that a recovery makes void could not be kept in ${name}: ${error.message}. ` +
            'The partition waits for that here.',
        );
      },
    );
    return false;
  }
}
