/** Followers learn what is committed by the next append, by a frame that leaves to them in any case, or a moment later. */
import { type Clock, type Timer } from '../ports/clock.js';
import { type StrongGroup } from './strong-group.js';

/** So long may followers not know of a commit that nobody there was told of, where nothing else is said to them. */
const ANNOUNCE_MS = 5;

export interface AnnouncementActions {
  /** Tells one node. */
  announceTo(group: StrongGroup, nodeId: string): void;
  /** Tells all followers. */
  announce(group: StrongGroup): void;
  dueTurn(): void;
}

/** A frame for the sake of an announcement alone costs as much as an append: an answer to one follower makes none for another. */
export class CommitAnnouncements {
  /** Whose followers are still to be told. */
  private groups: StrongGroup[] = [];
  private timer: Timer | undefined;
  private isDue = false;

  constructor(
    private readonly clock: Clock,
    private readonly actions: AnnouncementActions,
  ) {}

  /** Its commit index, or what its followers have of the log, may have risen. */
  note(group: StrongGroup): void {
    if (group.isUnannounced || !group.raft.hasUnannouncedCommit) {
      return;
    }
    group.isUnannounced = true;
    this.groups.push(group);
    this.timer ??= this.clock.schedule(ANNOUNCE_MS, () => {
      this.timer = undefined;
      if (this.groups.length > 0) {
        this.isDue = true;
        this.actions.dueTurn();
      }
    });
  }

  /** At the end of a turn, with whom a frame leaves to. */
  flush(receivers: readonly { readonly nodeId: string }[]): void {
    const { groups, actions } = this;
    if (this.isDue) {
      this.isDue = false;
      this.groups = [];
      for (const group of groups) {
        group.isUnannounced = false;
        actions.announce(group);
      }
      return;
    }
    let left = 0;
    for (const group of groups) {
      for (const { nodeId } of receivers) {
        actions.announceTo(group, nodeId);
      }
      group.isUnannounced = group.raft.hasUnannouncedCommit;
      if (group.isUnannounced) {
        groups[left++] = group;
      }
    }
    groups.length = left;
  }
}
