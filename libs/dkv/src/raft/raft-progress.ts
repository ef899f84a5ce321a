/** What a leader knows of one member's log, and what it may send to it next (after etcd's raft, tracker/progress). */
import { type MemberId } from '../model/raft-messages.js';

/**
 * `probe`: where the logs part is not known, so one message at a time; `replicate`: messages follow each other without
 * waiting; `snapshot`: the entries that the member needs are gone, it fetches the state by other means.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export class Progress {
  state: ProgressState = 'probe';
  /** The member's log equals the leader's up to here, durably. */
  match = 0;
  /** The first entry to send. */
  next: number;
  /** While probing: a message is under way. */
  isPaused = false;
  /**
   * The next probe carries no entries: the last message was not answered, and a member that is down must not be sent
   * the same megabyte again and again.
   */
  isBare = false;
  /** Ticks for which something has been outstanding and nothing was acknowledged. */
  waitedTicks = 0;
  /** The commit index that the member was told, as far as it could use it. */
  announcedCommit = 0;
  /** Up to where the member was told that the leader's own log is durable. */
  toldDurable = 0;
  private snapshotIndex = 0;

  constructor(
    readonly member: MemberId,
    next: number,
  ) {
    this.next = next;
  }

  /** Whether an answer is outstanding. */
  get isWaiting(): boolean {
    switch (this.state) {
      case 'probe':
        return this.isPaused;
      case 'replicate':
        return this.next - 1 > this.match;
      case 'snapshot':
        return true;
    }
  }

  /** An append with so many entries, from `next` on, has been made. */
  sent(count: number, commit: number, durable: number): void {
    if (this.state === 'probe') {
      this.isPaused = true;
      return;
    }
    this.next += count;
    this.toldDurable = durable;
    this.announcedCommit = Math.max(this.announcedCommit, Math.min(commit, this.next - 1));
  }

  /**
   * This member and the leader are a majority: what both have durably, and the member was told that the leader has, it knows
   * as committed by itself.
   */
  commitsWithLeader(): void {
    this.announcedCommit = Math.max(this.announcedCommit, Math.min(this.match, this.toldDurable));
  }

  sentSnapshot(index: number): void {
    this.state = 'snapshot';
    this.snapshotIndex = index;
    this.waitedTicks = 0;
  }

  /** The member has all up to `index`. Late and repeated acknowledgements change nothing. */
  acknowledge(index: number): void {
    const isNews = index > this.match;
    if (isNews) {
      this.match = index;
      this.waitedTicks = 0;
    }
    if (this.state === 'replicate') {
      this.next = Math.max(this.next, this.match + 1);
    } else if (this.state === 'probe' ? index >= this.match : this.match >= this.snapshotIndex) {
      this.state = 'replicate';
      this.next = this.match + 1;
      this.waitedTicks = 0;
    }
  }

  /**
   * The member has no entry `prevIndex` like the leader's; they may agree up to `hintIndex`. False when the answer is
   * late: to a message that something newer has overtaken.
   */
  reject(prevIndex: number, hintIndex: number): boolean {
    if (prevIndex <= this.match) {
      return false;
    }
    if (this.state === 'replicate') {
      this.probeFrom(this.match + 1);
      return true;
    }
    if (this.state === 'snapshot' || prevIndex !== this.next - 1) {
      return false;
    }
    this.probeFrom(Math.max(this.match + 1, Math.min(prevIndex, hintIndex + 1)));
    return true;
  }

  /** Messages may be lost, or the member may be gone: asks again, with little. */
  probeAgain(): void {
    this.probeFrom(this.match + 1);
    this.isBare = true;
  }

  probeFrom(next: number): void {
    this.state = 'probe';
    this.next = next;
    this.isPaused = false;
    this.isBare = false;
    this.waitedTicks = 0;
    this.announcedCommit = 0;
    this.toldDurable = 0;
  }
}
