/** A node log in memory that becomes durable, fails and crashes as a test says. */
import { type DkvError } from '../src/dkv.errors.js';
import { type EntryKind } from '../src/model/raft-messages.js';
import {
  type Appended,
  type HardState,
  type LogCoverage,
  type LogReplay,
  type NodeLog,
} from '../src/ports/node-log.js';

interface Added {
  /** Behind it. */
  readonly position: number;
  readonly replay: (into: LogReplay) => void;
}

/** Each addition takes its bytes and 16 more. Nothing is deleted by `release`: what it was told is kept. */
export class FakeNodeLog implements NodeLog {
  /** While false, appends wait for {@link makeDurable}. */
  isPrompt = true;
  failure: DkvError | undefined;
  openedPosition = 0;
  readonly releases: { batchesUpTo: number; indexOf: (group: number) => number }[] = [];
  flushes = 0;
  private added: Added[] = [];
  private waiting: { readonly upTo: number; readonly done: Appended }[] = [];
  private end = 0;
  private durableEnd = 0;
  /** Of what was flushed. */
  private flushedEnd = 0;

  isDiskFull = false;

  noteFull(): void {
    this.isDiskFull = true;
  }

  pinnedGroups(): readonly number[] {
    return [];
  }

  async acceptEnd(): Promise<void> {}

  get position(): number {
    return this.flushedEnd;
  }

  get durablePosition(): number {
    return this.durableEnd;
  }

  get bytes(): number {
    return this.end;
  }

  addHardState(group: number, state: HardState): void {
    this.add(0, (into) => into.hardState(group, state));
  }

  addEntry(
    group: number,
    generation: number,
    term: number,
    index: number,
    kind: EntryKind,
    data: Uint8Array,
  ): void {
    const copy = Uint8Array.from(data);
    this.add(copy.length, (into) => into.entry(group, generation, term, index, kind, copy));
  }

  addReset(group: number, generation: number, index: number, term: number): void {
    this.add(0, (into) => into.reset(group, generation, index, term));
  }

  addBatch(bytes: Uint8Array): number {
    const copy = Uint8Array.from(bytes);
    const position = this.end + 16 + copy.length;
    this.add(copy.length, (into) => into.batch(position, copy));
    return position;
  }

  flush(done: Appended): void {
    this.flushes++;
    if (this.failure) {
      this.added = this.added.filter(({ position }) => position <= this.flushedEnd);
      this.end = this.flushedEnd;
      done(this.failure);
      return;
    }
    this.flushedEnd = this.end;
    this.waiting.push({ upTo: this.end, done });
    if (this.isPrompt) {
      this.makeDurable();
    }
  }

  release(coverage: LogCoverage): void {
    this.releases.push({
      batchesUpTo: coverage.batchesUpTo,
      indexOf: (group) => coverage.indexOf(group),
    });
  }

  async close(): Promise<void> {
    this.makeDurable();
  }

  makeDurable(): void {
    for (const { upTo, done } of this.waiting.splice(0)) {
      this.durableEnd = upTo;
      done(undefined);
    }
  }

  /** The log that is found after a crash: what was durable, in its order. */
  crashed(): FakeNodeLog {
    const log = new FakeNodeLog();
    log.added = this.added.filter(({ position }) => position <= this.durableEnd);
    log.end = this.durableEnd;
    log.flushedEnd = this.durableEnd;
    log.durableEnd = this.durableEnd;
    return log;
  }

  replay(into: Partial<LogReplay>): void {
    const all: LogReplay = {
      hardState() {},
      reset() {},
      ...into,
      entry: (group, generation, term, index, kind, data) =>
        lend(data, (lent) => into.entry?.(group, generation, term, index, kind, lent)),
      batch: (position, bytes) => lend(bytes, (lent) => into.batch?.(position, lent)),
    };
    for (const { replay } of this.added) {
      replay(all);
    }
  }

  private add(bytes: number, replay: (into: LogReplay) => void): void {
    this.end += 16 + bytes;
    this.added.push({ position: this.end, replay });
  }
}

/** Who keeps what was lent finds other bytes there. */
function lend(bytes: Uint8Array, to: (lent: Uint8Array) => void): void {
  const lent = Uint8Array.from(bytes);
  to(lent);
  lent.fill(0xee);
}
