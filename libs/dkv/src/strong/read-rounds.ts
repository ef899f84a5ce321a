/** Confirms that this node still leads: one round a peer a turn for all groups that ask. */
import { type ConfirmedGroup } from '../model/node-messages.js';
import { type Configuration, type MemberId, nodeOf } from '../model/raft-messages.js';
import { type GroupCore } from './group-parts.js';

interface Confirmation extends ConfirmedGroup {
  readonly strong: GroupCore;
  /** Members that follow this node in the group, as of a moment after the question was asked. */
  readonly followers: MemberId[];
  /** Told once. */
  readonly waiting: ((isConfirmed: boolean) => void)[];
  isOver: boolean;
  /** By which voters were asked. */
  configuration: Configuration | undefined;
}

interface Round {
  readonly number: number;
  /** Not after it was sent; monotonic, 0 where there are no leases. */
  readonly sentAtMs: number;
  readonly groups: readonly Confirmation[];
  /** By peer: which of the groups it was asked about. */
  readonly asked: Map<string, readonly Confirmation[]>;
  open: number;
  ticks: number;
}

/** Makes leases of rounds. */
export interface RoundLeases {
  nowMs(): number;
  /** A majority of the group's voters has followed this node since then. */
  confirmed(group: GroupCore, sentAtMs: number): void;
  /** This node does not lead the group any more. */
  end(group: number): void;
}

export type SendRound = (nodeId: string, round: number, groups: readonly ConfirmedGroup[]) => void;

/** Rounds that are not confirmed are asked about again after this many ticks: frames get lost. */
const RESEND_TICKS = 2;

/**
 * ReadIndex (Ongaro's dissertation, 6.4) for many groups at once. A round names group, generation and term, and a peer
 * confirms as a voter that follows the asking node in this term: of a node as such it says nothing, since it may follow
 * one node in one group and another in the next.
 */
export class ReadRounds {
  private next: Map<number, Confirmation> = new Map();
  private readonly rounds = new Map<number, Round>();
  private lastNumber = 0;

  constructor(
    private readonly self: () => MemberId,
    private readonly send: SendRound,
    private readonly leases?: RoundLeases,
  ) {}

  /** Calls `done` once: with true when a majority of the group's voters has followed this node since the call. */
  confirm(group: GroupCore, done: (isConfirmed: boolean) => void): void {
    const { number, generation, raft } = group;
    let confirmation = this.next.get(number);
    if (!confirmation || confirmation.term !== raft.term) {
      if (confirmation) {
        finish(confirmation, false);
      }
      confirmation = {
        group: number,
        generation,
        term: raft.term,
        strong: group,
        followers: [this.self()],
        waiting: [],
        isOver: false,
        configuration: undefined,
      };
      this.next.set(number, confirmation);
    }
    confirmation.waiting.push(done);
  }

  /** Asks for all that was asked in this turn. */
  flush(): void {
    if (this.next.size === 0) {
      return;
    }
    const groups = [...this.next.values()].filter((confirmation) => !confirmation.isOver);
    this.next = new Map();
    if (groups.length === 0) {
      return;
    }
    const asked = new Map<string, Confirmation[]>();
    const round: Round = {
      number: ++this.lastNumber,
      sentAtMs: this.leases?.nowMs() ?? 0,
      groups,
      asked,
      open: groups.length,
      ticks: 0,
    };
    for (const confirmation of groups) {
      confirmation.configuration = confirmation.strong.raft.configuration;
      for (const member of votersOf(confirmation.strong)) {
        const nodeId = nodeOf(member);
        const list = asked.get(nodeId);
        if (member === this.self()) {
          continue;
        }
        if (list) {
          list.push(confirmation);
        } else {
          asked.set(nodeId, [confirmation]);
        }
      }
    }
    this.rounds.set(round.number, round);
    for (const confirmation of groups) {
      this.judge(round, confirmation);
    }
    if (round.open > 0) {
      this.ask(round);
    }
  }

  /** A peer follows this node in every group that it was asked about, but for the exceptions. */
  confirmed(from: MemberId, number: number, exceptions: readonly number[]): void {
    const round = this.rounds.get(number);
    const asked = round?.asked.get(nodeOf(from));
    if (!round || !asked) {
      return;
    }
    const except = exceptions.length > 0 ? new Set(exceptions) : undefined;
    for (const confirmation of asked) {
      if (
        !confirmation.isOver &&
        !except?.has(confirmation.group) &&
        !confirmation.followers.includes(from)
      ) {
        confirmation.followers.push(from);
        this.judge(round, confirmation);
      }
    }
  }

  /** Rounds whose frames may be lost are asked again; the callers' own deadlines end the rest. */
  tick(): void {
    for (const round of this.rounds.values()) {
      for (const confirmation of round.groups) {
        this.judge(round, confirmation);
        if (!confirmation.isOver && this.lacksVoters(round, confirmation)) {
          this.end(round, confirmation, false);
        }
      }
      round.ticks++;
      if (round.open > 0 && round.ticks % RESEND_TICKS === 0) {
        this.ask(round);
      }
    }
  }

  /** This node does not lead the group any more. */
  giveUp(group: number): void {
    this.leases?.end(group);
    const waiting = this.next.get(group);
    if (waiting) {
      this.next.delete(group);
      finish(waiting, false);
    }
    for (const round of this.rounds.values()) {
      for (const confirmation of round.groups) {
        if (confirmation.group === group && !confirmation.isOver) {
          this.end(round, confirmation, false);
        }
      }
    }
  }

  private ask({ number, asked }: Round): void {
    for (const [nodeId, confirmations] of asked) {
      const open = confirmations.filter(({ isOver }) => !isOver);
      if (open.length > 0) {
        this.send(nodeId, number, open);
      }
    }
  }

  private judge(round: Round, confirmation: Confirmation): void {
    const { strong, term, generation, followers, isOver } = confirmation;
    if (isOver) {
      return;
    }
    if (!strong.leads || strong.raft.term !== term || strong.generation !== generation) {
      this.end(round, confirmation, false);
    } else if (strong.raft.hasQuorum((member) => followers.includes(member))) {
      this.leases?.confirmed(strong, round.sentAtMs);
      this.end(round, confirmation, true);
    }
  }

  /** Whether the voters are others than those that were asked: these alone may never make a majority. */
  private lacksVoters({ asked }: Round, confirmation: Confirmation): boolean {
    const { strong, configuration } = confirmation;
    return (
      strong.raft.configuration !== configuration &&
      votersOf(strong).some(
        (member) => member !== this.self() && !asked.get(nodeOf(member))?.includes(confirmation),
      )
    );
  }

  private end(round: Round, confirmation: Confirmation, isConfirmed: boolean): void {
    round.open--;
    if (round.open === 0) {
      this.rounds.delete(round.number);
    }
    finish(confirmation, isConfirmed);
  }
}

function finish(confirmation: Confirmation, isConfirmed: boolean): void {
  confirmation.isOver = true;
  for (const done of confirmation.waiting) {
    done(isConfirmed);
  }
}

function votersOf({ raft }: GroupCore): readonly MemberId[] {
  const { voters, outgoing } = raft.configuration;
  return outgoing.length === 0 ? voters : [...new Set([...voters, ...outgoing])];
}
