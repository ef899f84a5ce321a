/** Random lives of one Raft group alone: messages in any order, disks that lose and fail, members that come and go. */
import { type Configuration } from '../../src/model/raft-messages.js';
import { type RaftGroup } from '../../src/raft/raft-group.js';
import { ELECTION_TICKS, RaftCluster, type RaftRunOptions } from './raft-cluster.js';
import { checkGroupInvariants, type RaftFinding } from './raft-invariants.js';
import { type ModelMember } from './raft-model.js';

export { type RaftRunOptions } from './raft-cluster.js';

export interface RaftRunResult {
  readonly seed: number;
  readonly findings: readonly RaftFinding[];
  /** Proposed entries, and how far the log was committed. */
  readonly operations: number;
  readonly acknowledged: number;
  readonly faults: number;
  readonly steps: number;
  readonly digest: string;
  readonly trace: readonly string[];
}

const STEPS_MIN = 100;
const STEPS_MAX = 800;
/**
 * Rounds of ticks, in a group without faults, until some member that can be elected is. Where nobody leads, each that
 * may stand does so once in less than 2 × {@link ELECTION_TICKS} rounds, alone ({@link RaftRun.tickInTurn}). Its first
 * candidacy may only tell it a later term; in the next it asks for one above that, and what a pre-vote was granted, the
 * vote is, too.
 */
const ELECTION_ROUNDS = 2 * 2 * ELECTION_TICKS;
/**
 * Rounds of a group without faults until it must have a leader, one log and rest: for an election; another where that
 * leader was handing leadership on, and another where it is no voter once the joint configuration is left (4.2.2); the
 * rest is for what takes ticks besides, asking again and snapshots.
 */
const HEALING_ROUNDS = 5 * ELECTION_ROUNDS;
/** Until members are quiet: a life has fewer entries than steps, and each takes a message and its answer at most. */
const TRIPS_MAX = 2 * STEPS_MAX;

class RaftRun extends RaftCluster {
  /** One event of any member, or of the network. */
  step(): void {
    const { random } = this;
    const dice = random.next();
    if (dice < 0.5 && this.network.isBusy) {
      this.deliver();
      return;
    }
    const member = random.pick(random.chance(0.7) ? this.active : this.members);
    if (!member.isUp) {
      if (random.chance(0.4)) {
        this.restart(member);
      }
      return;
    }
    if (dice < 0.66) {
      this.flush(member);
    } else if (dice < 0.73) {
      this.note('tick', member.id);
      this.tick(member);
    } else {
      this.happen(member);
    }
    this.settle(member, random.chance(0.3));
  }

  private happen(member: ModelMember): void {
    const { group } = member;
    const { random } = this;
    switch (random.pick(this.events)) {
      case 'propose':
        // Also a leader of the past, which still believes in itself.
        this.propose(group.mayPropose && random.chance(0.5) ? member : (this.leading() ?? member));
        return;
      case 'detect':
        this.detect(member, false);
        return;
      case 'depose':
        this.depose(member);
        return;
      case 'crash':
        if (this.fault('crash', 0.6)) {
          this.note('crash', member.id);
          for (const write of member.crash(random.int(member.writes.length + 1))) {
            this.written(member, write);
          }
        }
        return;
      case 'fail':
        if (member.writes.length > 0 && this.fault('fail', 0.5)) {
          member.failAppends();
        }
        return;
      case 'cut':
        member.isCut = !member.isCut && this.fault('cut', 0.5);
        return;
      case 'quorum':
        group.checkQuorum((other) => this.isReachable(other));
        return;
      case 'transfer':
        this.transfer(member);
        return;
      case 'reconfigure':
        this.reconfigure();
        return;
      case 'checkpoint':
        member.checkpoint(group.commit - random.int(4));
        return;
      case 'install':
        this.fetchSnapshot(member, false);
        return;
    }
  }

  private transfer(member: ModelMember): void {
    const leader = this.leading();
    if (leader?.group.transferTo(member.id)) {
      this.note('transfer', `${leader.id} to ${member.id}`);
      this.settle(leader, false);
    }
  }

  /** The leader is cut off and goes on as if nothing were; some others notice, and one stands for election. */
  private depose(successor: ModelMember): void {
    const leader = this.leading();
    if (!leader || leader === successor || !this.fault('cut', 0.8)) {
      return;
    }
    for (const member of this.members) {
      if (member !== leader) {
        member.isCut = false;
        if (this.random.chance(0.8)) {
          member.group.leaderLost();
        }
      }
    }
    leader.isCut = this.random.chance(0.7);
    this.note('depose', `${leader.id} by ${successor.id}`);
    successor.group.campaign(this.random.chance(0.3) ? 'transfer' : 'silence');
  }

  private reconfigure(): void {
    const { random } = this;
    const leader = this.members.find((one) => one.isUp && one.group.isReady);
    if (!leader) {
      return;
    }
    const { voters, learners } = leader.group.configuration;
    const outsiders = this.members
      .map(({ id }) => id)
      .filter((id) => !voters.includes(id) && !learners.includes(id));
    let next: Configuration;
    if (outsiders.length > 0 && random.chance(0.5)) {
      next = { voters, outgoing: [], learners: [...learners, random.pick(outsiders)] };
    } else {
      const left = random.shuffle(voters).slice(random.int(Math.min(3, voters.length)));
      const added = learners.filter(() => random.chance(0.8));
      next = {
        voters: [...left, ...added],
        outgoing: voters,
        learners: learners.filter((id) => !added.includes(id)),
      };
    }
    const index = leader.group.proposeConfiguration(next);
    if (index !== undefined) {
      this.note(
        'reconfigure',
        `${leader.id} ${next.voters.join()}/${next.outgoing.join()}/${next.learners.join()}`,
      );
    }
    this.settle(leader, false);
  }

  private deliver(): void {
    const one = this.network.next(this.fault('repeat', this.loss / 2));
    if (one) {
      this.arrive(one);
    }
  }

  /** Nothing goes wrong any more: a leader must be found, all must have its log, and all must come to rest. */
  heal(): void {
    for (const member of this.members) {
      member.isCut = false;
      if (!member.isUp) {
        this.restart(member);
      }
    }
    let isProposed = false;
    for (let round = 0; round < HEALING_ROUNDS && this.witness.findings.length === 0; round++) {
      this.steps++;
      for (const member of this.members) {
        this.detect(member, true);
        this.fetchSnapshot(member, true);
      }
      this.tickInTurn();
      this.runUntilQuiet();
      const leader = this.members.find(({ group }) => group.isReady && group.mayPropose);
      if (leader && !isProposed) {
        this.propose(leader);
        isProposed = true;
      } else if (leader && this.isAtRest(leader.group)) {
        return;
      }
    }
    if (this.witness.findings.length === 0) {
      const what = this.members.map(
        ({ id, group }) => `${id} ${group.role} ${group.term} ${group.commit}/${group.lastIndex}`,
      );
      this.witness.report('liveness', this.steps, what.join(', '));
    }
  }

  /**
   * Members tick one after another, and a candidacy is decided before the next one ticks: messages take much less time
   * than election timeouts differ, which Raft needs in order to elect anybody (3.9). With a tick for each trip, as in the
   * rounds with faults, two that can both win could stand at once, and split the votes, as long as chance wants it; here
   * no chance is left, so that a group without a leader is one that cannot elect any.
   */
  private tickInTurn(): void {
    for (const member of this.members) {
      this.tick(member);
      const { role } = member.group;
      if (role === 'preCandidate' || role === 'candidate') {
        this.runUntilQuiet();
      }
    }
  }

  /** Delivers all messages, the answers to them, and so on, until nobody has anything to send before the next tick. */
  private runUntilQuiet(): void {
    for (let trip = 0; trip < TRIPS_MAX; trip++) {
      this.runHealthy(this.members);
      if (!this.members.some(({ group }) => group.hasOutput || group.hasUnannouncedCommit)) {
        return;
      }
    }
    this.witness.report('liveness', this.steps, `messages went on for ${TRIPS_MAX} trips`);
  }

  private isAtRest(leader: RaftGroup): boolean {
    const { voters, outgoing, learners } = leader.configuration;
    const all = [...voters, ...learners];
    return (
      outgoing.length === 0 &&
      !leader.needsTick &&
      all.every((id) => {
        const { group } = this.byId.get(id)!;
        return group.commit === leader.lastIndex && group.lastIndex === leader.lastIndex && !group.needsTick;
      })
    );
  }
}

/** One life of one group: some hundreds of events with faults, then healing. The same seed gives the same life. */
export function runRaftScenario(seed: number, options: RaftRunOptions = {}): RaftRunResult {
  const run = new RaftRun(seed, options);
  const { witness } = run;
  try {
    const stepsMax = STEPS_MIN + run.random.int(STEPS_MAX - STEPS_MIN);
    while (run.steps < stepsMax && witness.findings.length === 0) {
      run.steps++;
      run.step();
    }
    run.heal();
    witness.findings.push(
      ...checkGroupInvariants(run.members.map(({ id, group }) => ({ member: id, group }))),
    );
  } catch (error) {
    witness.report(
      'crash',
      run.steps,
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
  }
  return {
    seed,
    findings: witness.findings,
    operations: run.proposed,
    acknowledged: witness.committedIndex,
    faults: run.faults,
    steps: run.steps,
    digest: `${run.steps}/${run.proposed}/${run.faults}/${witness.committedIndex}/${run.random.uint32()}`,
    trace: run.trace.tail(),
  };
}
