/** The generation that a member of a group has promised to take part in, and in no older one (rule 13): until it is a group again. */
import { majorityOf } from '../model/consistency.js';
import { type RaftGroup } from '../raft/raft-group.js';
import { type AppliedUpTo } from './raft-states.js';

/** What it is asked of. */
interface PromisingGroup {
  readonly generation: number;
  /** The nodes of the group. */
  readonly list: readonly string[];
  readonly raft: Pick<RaftGroup, 'configuration' | 'isSoleVoter'>;
  readonly appliedUpTo: AppliedUpTo;
  readonly isForgetting: boolean;
}

export class PromisedGeneration {
  /** What it began is on the medium. */
  isOnMedium = false;

  constructor(
    private readonly group: PromisingGroup,
    /** 0 where nothing is promised. */
    public generation: number,
  ) {}

  /** It has not begun here. */
  get isAwaited(): boolean {
    return this.generation > this.group.generation;
  }

  /** It has begun, and is not on the medium yet: nobody may give up what he has for it. */
  get isSilent(): boolean {
    return this.hasBegun && !this.isOnMedium && this.group.raft.isSoleVoter;
  }

  /** It has begun with this member alone, which decides nothing until a majority of the nodes has fetched the group. */
  get waitsForCopies(): boolean {
    const { raft, list } = this.group;
    return this.hasBegun && raft.configuration.voters.length < majorityOf(list.length);
  }

  /** A majority of the nodes has what it began with. */
  get isFulfilled(): boolean {
    const { appliedUpTo, list } = this.group;
    const { voters, outgoing } = appliedUpTo.configuration;
    return this.hasBegun && outgoing.length === 0 && voters.length >= majorityOf(list.length);
  }

  isHeld(generation: number): boolean {
    return this.isAwaited && this.generation === generation && !this.group.isForgetting;
  }

  /** It binds nobody any more. */
  end(): void {
    this.generation = 0;
  }

  private get hasBegun(): boolean {
    return this.generation === this.group.generation;
  }
}
