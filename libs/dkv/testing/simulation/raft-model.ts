/** A member of a group with a disk that crashes and fails: what drives a RaftGroup, at its simplest. */
import {
  type AddressedMessage,
  type Configuration,
  type LogEntry,
  type MemberId,
} from '../../src/model/raft-messages.js';
import { RaftGroup, type RaftGroupOptions, type RaftOutput } from '../../src/raft/raft-group.js';

/** The state machine of the model is its index: what it shows follows from the log. */
export interface ModelSnapshot {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

interface PendingWrite {
  readonly output: RaftOutput;
  /** As of the output's reset. */
  readonly configuration: Configuration;
}

/** What survives a crash. The store may be ahead of the log: a snapshot is installed before the log begins anew. */
export class ModelDisk {
  term = 0;
  vote: MemberId = '';
  /** Where the log begins. */
  base: ModelSnapshot;
  entries: LogEntry[] = [];
  store: ModelSnapshot;

  constructor(configuration: Configuration) {
    this.base = { index: 0, term: 0, configuration };
    this.store = this.base;
  }

  write({ output: { hardState, reset, entries }, configuration }: PendingWrite): void {
    if (hardState) {
      this.term = hardState.term;
      this.vote = hardState.vote;
    }
    if (reset) {
      this.base = { ...reset, configuration };
      this.entries = [];
    }
    for (const entry of entries) {
      const place = entry.index - this.base.index - 1;
      if (place < 0 || place > this.entries.length) {
        throw new RangeError(
          `Entry ${entry.index} written to a log from ${this.base.index}: there is a gap.`,
        );
      }
      this.entries.length = place;
      this.entries.push(entry);
    }
  }

  holds(index: number, term: number): boolean {
    return index <= this.store.index || index <= this.base.index || this.termAt(index) === term;
  }

  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.entries[index - this.base.index - 1]?.term;
  }

  /** Deletes the log up to `index`, which the store has. */
  release(index: number, configuration: Configuration): void {
    const term = this.termAt(index);
    if (term !== undefined && index > this.base.index) {
      this.entries = this.entries.slice(index - this.base.index);
      this.base = { index, term, configuration };
    }
  }

  open(options: RaftGroupOptions): RaftGroup {
    const { term, vote, store } = this;
    if (this.termAt(store.index) !== store.term) {
      // A store ahead of the log is no damage: the log begins there.
      this.base = store;
      this.entries = [];
    }
    const { index, term: snapshotTerm, configuration } = this.base;
    return new RaftGroup(
      {
        term,
        vote,
        snapshotIndex: index,
        snapshotTerm,
        configuration,
        commit: store.index,
        entries: this.entries.slice(),
      },
      options,
    );
  }
}

/** One member, up or down, with the appends that are under way to its disk. */
export class ModelMember {
  readonly disk: ModelDisk;
  group: RaftGroup;
  isUp = true;
  /** Cut off from all others. */
  isCut = false;
  wanted: RaftOutput['snapshotFrom'];
  readonly writes: PendingWrite[] = [];

  constructor(
    readonly id: MemberId,
    configuration: Configuration,
    private readonly options: RaftGroupOptions,
    private readonly prepare: ((group: RaftGroup) => void) | undefined,
  ) {
    this.disk = new ModelDisk(configuration);
    this.group = this.open();
  }

  private open(): RaftGroup {
    const group = this.disk.open(this.options);
    this.prepare?.(group);
    return group;
  }

  /** Gives what leaves at once; the rest waits for the disk. */
  takeOutput(announceCommit: boolean): RaftOutput {
    const output = this.group.takeOutput({ announceCommit });
    const configuration = output.reset
      ? this.group.configurationAt(output.reset.index)
      : this.group.configuration;
    this.wanted = output.snapshotFrom ?? this.wanted;
    if (output.hardState || output.reset || output.entries.length > 0 || output.durableMessages.length > 0) {
      this.writes.push({ output, configuration });
    }
    return output;
  }

  /** The oldest append is durable; gives what may leave now. */
  flush(): readonly AddressedMessage[] {
    const write = this.writes.shift();
    if (!write) {
      return [];
    }
    this.disk.write(write);
    const last = write.output.entries.at(-1);
    if (last) {
      this.group.appended(last.term, last.index);
    }
    const { durableMessages } = write.output;
    for (const { message } of durableMessages) {
      if (message.type === 'appended') {
        this.group.acknowledgementLeft(message.term, message.index);
      }
    }
    return durableMessages;
  }

  failAppends(): void {
    this.writes.length = 0;
    this.group.appendFailed();
  }

  apply(): void {
    this.group.applied(this.group.commit);
    this.group.compactReplicated();
  }

  /** Writes the state as it is applied, and deletes the log up to `index` or less. */
  checkpoint(index: number): void {
    const { group, disk } = this;
    const at = Math.min(group.appliedIndex, group.durableIndex);
    const term = group.termAt(at);
    if (term === undefined || at <= disk.store.index) {
      return;
    }
    disk.store = { index: at, term, configuration: group.configurationAt(at) };
    group.compact(Math.min(index, at));
    const released = group.firstIndex - 1;
    disk.release(released, group.configurationAt(released));
  }

  /** What a member that asks for a snapshot would get. */
  snapshot(): ModelSnapshot | undefined {
    const index = this.group.appliedIndex;
    const term = this.group.termAt(index);
    return term === undefined ? undefined : { index, term, configuration: this.group.configurationAt(index) };
  }

  install(snapshot: ModelSnapshot): void {
    if (snapshot.index > this.disk.store.index && snapshot.index > this.group.commit) {
      this.disk.store = snapshot;
      this.group.restore(snapshot.index, snapshot.term, snapshot.configuration);
    }
    this.wanted = undefined;
  }

  /** The first `survivors` of the appends under way reached the disk, and are given; nobody was told. */
  crash(survivors: number): readonly RaftOutput[] {
    this.isUp = false;
    this.wanted = undefined;
    const written = this.writes.splice(0).slice(0, survivors);
    for (const write of written) {
      this.disk.write(write);
    }
    return written.map(({ output }) => output);
  }

  restart(): void {
    this.isUp = true;
    this.group = this.open();
  }
}
