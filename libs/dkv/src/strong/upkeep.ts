/** What keeps a node's groups from holding on to what is not needed, and mends what its disk has damaged. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type Configuration, type LogEntry, type MemberId } from '../model/raft-messages.js';
import { membersOf } from '../raft/raft-configurations.js';
import { type Leadership } from './leadership.js';
import { LostMajorities } from './lost-majorities.js';
import { type GroupList } from './group-list.js';
import { type StrongGroup } from './strong-group.js';

const COMPACT_EVERY_TICKS = 10;
/** A group that holds the oldest segment of the log so often in a row writes its tail again. */
const PINNED_LOOKS = 3;

export interface UpkeepServices {
  readonly groups: GroupList;
  readonly directory: PeerDirectory;
  readonly leadership: Leadership;
  readonly log: NodeLog;
  readonly store: StrongStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a peer fetches a snapshot of the group from this node. */
  readonly isServed: (group: number) => boolean;
  /** Entries in memory behind what is applied, of all groups. */
  readonly entryTailBytesMax: number;
  /** A disk that does not answer for so long leads no more (rule 8). */
  readonly electionTimeoutMs: number;
  readonly member: () => string;
}

export class Upkeep {
  private readonly damaged = new Set<number>();
  private readonly pinned = new Map<number, number>();
  private readonly appliedAtLook = new Map<number, number>();
  /** Members that are away, and for which too much would have to be kept. */
  private readonly givenUp = new Set<MemberId>();
  private ticks = 0;
  /** When the oldest append that has not ended was begun; undefined for none. Monotonic. */
  private appendingSinceMs: number | undefined;
  private appending = 0;

  private readonly lostMajorities: LostMajorities;

  constructor(private readonly services: UpkeepServices) {
    this.lostMajorities = new LostMajorities(services);
  }

  /** Whether a majority of the group's voters is gone for good. */
  isLost(group: number): boolean {
    return this.lostMajorities.isLost(group);
  }

  /** Which groups nobody can lead any more, in words; undefined where there is none. */
  get lostMajority(): string | undefined {
    return this.lostMajorities.reason;
  }

  /** Whether the disk has not answered an append for longer than a peer may be silent. */
  get isDiskSilent(): boolean {
    const { clock, electionTimeoutMs } = this.services;
    return (
      this.appendingSinceMs !== undefined && clock.monotonic() - this.appendingSinceMs > electionTimeoutMs
    );
  }

  appendBegan(): void {
    if (this.appending++ === 0) {
      this.appendingSinceMs = this.services.clock.monotonic();
    }
  }

  /** Appends end in order, so the next one is the oldest now. */
  appendEnded(): void {
    this.appendingSinceMs = --this.appending === 0 ? undefined : this.services.clock.monotonic();
  }

  /** A read met a record that does not match its checksum: the group is fetched again from the other copies. */
  noteDamage(group: number): void {
    this.damaged.add(group);
  }

  /** This node has no part in the group any more. */
  giveUpGroup(group: number): void {
    this.damaged.delete(group);
    this.pinned.delete(group);
    this.appliedAtLook.delete(group);
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    if (this.isDiskSilent) {
      this.stepDown();
    }
    if (this.damaged.size > 0) {
      this.mend();
    }
    if (this.ticks % COMPACT_EVERY_TICKS === 0) {
      this.lostMajorities.look();
      this.compact();
      this.unpin();
    }
  }

  /** Whoever cannot append cannot commit, and keeps others from it. */
  private stepDown(): void {
    for (const { raft } of this.services.groups.values()) {
      if (raft.role === 'leader' && raft.configuration.voters.length > 1) {
        raft.checkQuorum(() => false);
      }
    }
  }

  private mend(): void {
    const { groups, leadership, directory, logger } = this.services;
    for (const number of this.damaged) {
      const group = groups.get(number);
      if (!group || group.raft.configuration.voters.length < 2) {
        this.damaged.delete(number);
      } else if (group.raft.role === 'leader') {
        // Another leads meanwhile: what is damaged here must not be asked for.
        leadership.transferAway(group);
      } else if (group.raft.leader !== undefined && directory.isAlive(group.raft.leader)) {
        this.damaged.delete(number);
        logger.warn(
          `A record of partition ${number} is damaged on this disk: the partition is fetched again.`,
        );
        group.beginFetching();
      }
    }
  }

  /** Entries that every member has are forgotten; also others, where too many are kept for members that are away. */
  private compact(): void {
    const { directory, entryTailBytesMax } = this.services;
    // Whoever gives a group its records may show less than was applied here: its log must lead up to that.
    const groups = [...this.services.groups.values()].filter(({ isFetching }) => !isFetching);
    for (const member of this.givenUp) {
      if (directory.isAlive(member) || !directory.findMember(member)) {
        this.givenUp.delete(member);
      }
    }
    let bytes = 0;
    for (const group of groups) {
      this.compactGroup(group);
      bytes += bytesOf(group.raft.entriesFrom(group.raft.firstIndex, group.applied));
    }
    // Last those that a peer fetches: without what comes after its snapshot it would have to begin anew.
    for (const isServed of [false, true]) {
      if (bytes <= entryTailBytesMax) {
        return;
      }
      for (const { raft, applied, number } of groups) {
        if (this.services.isServed(number) === isServed) {
          bytes -= bytesOf(raft.entriesFrom(raft.firstIndex, applied));
          this.giveUp(raft.configuration);
          raft.compact(applied);
        }
      }
    }
  }

  /** Whether the member may come for what it lacks: no incarnation that is gone, and not away for too long. */
  private isAwaited(member: MemberId): boolean {
    const isHere =
      member === this.services.member() || this.services.directory.findMember(member) !== undefined;
    return isHere && !this.givenUp.has(member);
  }

  /** Whoever is away needs a snapshot when it is back. */
  private giveUp(configuration: Configuration): void {
    const { directory, member } = this.services;
    for (const other of membersOf(configuration)) {
      if (other !== member() && !directory.isAlive(other)) {
        this.givenUp.add(other);
      }
    }
  }

  /**
   * A leader forgets entries up to what every member has, another what was applied at the last look, since it may have to lead
   * those that are a little behind.
   */
  private compactGroup({ number, raft, applied }: StrongGroup): void {
    let upTo = applied;
    if (raft.role !== 'leader') {
      upTo = Math.min(upTo, this.appliedAtLook.get(number) ?? 0);
    } else {
      for (const member of membersOf(raft.configuration)) {
        if (this.isAwaited(member)) {
          upTo = Math.min(upTo, raft.matchOf(member) ?? 0);
        }
      }
    }
    this.appliedAtLook.set(number, applied);
    raft.compact(upTo);
  }

  /**
   * The tail of a group that commits nothing, or that waits for a snapshot from nobody, would hold its segment, and all
   * after it, for ever.
   */
  private unpin(): void {
    const { groups, log, store } = this.services;
    const numbers = log.failure ? [] : log.pinnedGroups();
    for (const number of [...this.pinned.keys()]) {
      if (!numbers.includes(number)) {
        this.pinned.delete(number);
      }
    }
    let isAdded = false;
    for (const number of numbers) {
      const looks = (this.pinned.get(number) ?? 0) + 1;
      this.pinned.set(number, looks);
      const group = groups.get(number);
      if (looks < PINNED_LOOKS || !group) {
        continue;
      }
      this.pinned.delete(number);
      store.touch(number);
      const { raft, generation } = group;
      for (const { term, index, kind, data } of raft.handedOutFrom(group.applied + 1)) {
        log.addEntry(number, generation, term, index, kind, data);
        isAdded = true;
      }
    }
    if (isAdded) {
      log.flush(() => undefined);
    }
  }
}

function bytesOf(entries: readonly LogEntry[]): number {
  return entries.reduce((sum, { data }) => sum + data.length, 0);
}
