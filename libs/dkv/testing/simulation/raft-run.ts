/** Random lives of one Raft group alone: messages in any order, disks that lose and fail, members that come and go. */
import {
  type Configuration,
  type MemberId,
  NO_CONFIGURATION,
  type RaftMessage,
} from '../../src/model/raft-messages.js';
import { type RaftGroup, type RaftOutput } from '../../src/raft/raft-group.js';
import { checkGroupInvariants, type RaftFinding, RaftWitness } from './raft-invariants.js';
import { ModelMember } from './raft-model.js';
import { SimRandom } from './sim-random.js';
import { SimTrace } from './trace.js';

export interface RaftRunOptions {
  /** Is given every group that is made: at the beginning and after each crash. */
  readonly prepare?: (group: RaftGroup) => void;
  /** Keeps so many lines of the trace, and makes its digest. */
  readonly traceLinesMax?: number;
  /** Nothing goes wrong any more after so many faults. */
  readonly faultsMax?: number;
}

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

interface Sent {
  readonly from: ModelMember;
  readonly to: MemberId;
  readonly message: RaftMessage;
}

type Event =
  | 'propose'
  | 'detect'
  | 'depose'
  | 'crash'
  | 'fail'
  | 'cut'
  | 'quorum'
  | 'transfer'
  | 'reconfigure'
  | 'checkpoint'
  | 'install';

/** How often each happens, in parts; every life has one of them on top. */
const WEIGHTS: Record<Event, number> = {
  propose: 16,
  detect: 6,
  depose: 4,
  crash: 3,
  fail: 1,
  cut: 2,
  quorum: 2,
  transfer: 2,
  reconfigure: 4,
  checkpoint: 2,
  install: 2,
};
const MOODS: readonly (readonly Event[])[] = [
  [],
  ['depose', 'propose'],
  ['depose', 'depose', 'crash'],
  ['reconfigure', 'depose'],
  ['reconfigure', 'cut'],
  ['checkpoint', 'install', 'depose'],
  ['transfer', 'fail'],
];
const MOOD_WEIGHT = 8;

function eventsOf(mood: readonly Event[]): readonly Event[] {
  const events = (Object.keys(WEIGHTS) as Event[]).flatMap((event) =>
    Array<Event>(WEIGHTS[event]).fill(event),
  );
  return events.concat(mood.flatMap((event) => Array<Event>(MOOD_WEIGHT).fill(event)));
}
const EVENTS = MOODS.map(eventsOf);

const STEPS_MIN = 100;
const STEPS_MAX = 700;
const SENT_MAX = 128;
const LATE_MAX = 12;
/** Rounds of a group without faults until it must have a leader, one log and rest. */
const HEALING_ROUNDS = 80;

class RaftRun {
  readonly random: SimRandom;
  readonly witness = new RaftWitness();
  readonly members: ModelMember[] = [];
  readonly sent: Sent[] = [];
  /** The first voters: most events happen to them. */
  private readonly active: readonly ModelMember[];
  readonly trace: SimTrace;
  proposed = 0;
  faults = 0;
  steps = 0;
  private readonly loss: number;
  private readonly delay: number;
  private readonly events: readonly Event[];
  /** How often a member's turn ends after an event, and an append is durable at once. */
  private readonly haste: number;
  /** Messages that will arrive long after what was sent behind them. */
  private readonly late: Sent[] = [];
  private readonly byId = new Map<MemberId, ModelMember>();

  constructor(
    seed: number,
    private readonly options: RaftRunOptions,
  ) {
    const random = new SimRandom(`raft ${seed}`);
    this.random = random;
    this.trace = new SimTrace({ linesMax: options.traceLinesMax ?? 0 });
    this.loss = random.pick([0, 0.02, 0.1]);
    this.delay = random.pick([0, 0.3, 0.6]);
    this.events = random.pick(EVENTS);
    this.haste = random.pick([0.9, 0.7, 0.4]);
    const size = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5]);
    const voters = Array.from({ length: size }, (_, place) => `n${place}@1`);
    const spares = Array.from({ length: 2 }, (_, place) => `n${place}@2`);
    const resendTicks = 2;
    for (const self of [...voters, ...spares]) {
      const birth = voters.includes(self) ? { voters, outgoing: [], learners: [] } : NO_CONFIGURATION;
      const member = new ModelMember(
        self,
        birth,
        {
          self,
          random,
          electionTicks: 4,
          resendTicks,
          appendBytesMax: random.pick([1, 80, 400]),
          inflightBytesMax: 300,
        },
        options.prepare,
      );
      this.members.push(member);
      this.byId.set(self, member);
      this.witness.restarted(self, member.group);
    }
    this.active = this.members.slice(0, size);
    if (random.chance(0.9)) {
      this.begin();
    }
  }

  /** Most lives begin with a leader: what goes wrong then is what is looked for. */
  private begin(): void {
    this.members[0]!.group.campaign('single');
    for (let round = 0; round < 7; round++) {
      this.runHealthy(this.active);
    }
  }

  private mayFail(): boolean {
    return this.faults < (this.options.faultsMax ?? Infinity);
  }

  private fault(
    kind: 'drop' | 'repeat' | 'crash' | 'fail' | 'cut' | 'suspect' | 'campaign',
    probability: number,
  ): boolean {
    if (!this.mayFail() || !this.random.chance(probability)) {
      return false;
    }
    this.faults++;
    this.note(kind, '');
    return true;
  }

  private note(kind: string, detail: string): void {
    if (this.options.traceLinesMax !== undefined) {
      this.trace.record(this.steps, kind, detail);
    }
  }

  /** One event of any member, or of the network. */
  step(): void {
    const { random } = this;
    const dice = random.next();
    if (dice < 0.5 && this.sent.length > 0) {
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
        this.fetchSnapshot(member);
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

  private leading(): ModelMember | undefined {
    return this.members.find(({ isUp, group }) => isUp && group.role === 'leader');
  }

  private isReachable(id: MemberId): boolean {
    const member = this.byId.get(id)!;
    return member.isUp && !member.isCut;
  }

  private restart(member: ModelMember): void {
    this.note('restart', member.id);
    member.restart();
    for (const other of this.members) {
      // Its connections broke.
      other.group.unreachable(member.id);
    }
    this.witness.restarted(member.id, member.group);
  }

  private flush(member: ModelMember): void {
    if (member.writes.length > 0) {
      this.note('flush', member.id);
      const { output } = member.writes[0]!;
      const messages = member.flush();
      this.written(member, output);
      this.send(member, messages);
    }
  }

  /** What never reached a disk nor left was never there: a leader may make another entry in its place. */
  private written({ id, disk }: ModelMember, { entries }: RaftOutput): void {
    if (entries.length > 0) {
      const previous = disk.termAt(entries[0]!.index - 1);
      if (previous !== undefined) {
        this.witness.appended(id, previous, entries);
      }
    }
  }

  private tick(member: ModelMember): void {
    if (member.group.needsTick) {
      member.group.tick();
    }
  }

  propose(member: ModelMember): void {
    if (member.group.mayPropose) {
      this.note('propose', member.id);
      this.proposed++;
      member.group.propose('operations', new Uint8Array(this.random.int(40)));
    }
  }

  /** The failure detector between nodes: is right in the end, and wrong now and then. */
  private detect(member: ModelMember, isRight: boolean): void {
    const { group } = member;
    if (group.role === 'leader') {
      return;
    }
    const leader = this.members.find(
      (one) => one.isUp && one !== member && one.group.role === 'leader' && one.group.term === group.term,
    );
    const isHeard = leader !== undefined && this.isReachable(leader.id) && !member.isCut;
    if (!isHeard || (!isRight && this.fault('suspect', 0.2))) {
      group.leaderLost();
    } else if (group.leader === undefined) {
      group.heardFrom(leader.id);
    }
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

  private fetchSnapshot(member: ModelMember): void {
    const { wanted } = member;
    if (!wanted) {
      return;
    }
    const giver = this.random.chance(0.5) ? this.byId.get(wanted.member)! : this.random.pick(this.members);
    const snapshot = giver.isUp ? giver.snapshot() : undefined;
    if (snapshot && snapshot.index >= wanted.index) {
      this.note('install', `${member.id} ${snapshot.index}`);
      member.install(snapshot);
    }
  }

  private deliver(): void {
    const { random, sent, late } = this;
    if (late.length > 0 && random.chance(0.06)) {
      this.arrive(late.splice(random.int(late.length), 1)[0]!);
      return;
    }
    const place = random.chance(this.delay) ? random.int(sent.length) : 0;
    const one = sent[place]!;
    if (!this.fault('repeat', this.loss / 2)) {
      sent.splice(place, 1);
    }
    if (late.length < LATE_MAX && random.chance(this.delay / 10)) {
      late.push(one);
    } else {
      this.arrive(one);
    }
  }

  private arrive(one: Sent): void {
    const { random } = this;
    const { from, to, message } = one;
    const member = this.byId.get(to)!;
    if (member.isCut || from.isCut || !member.isUp || this.fault('drop', this.loss)) {
      this.lose(one, random.chance(0.5));
      return;
    }
    this.receive(member, from, message);
    this.settle(member, random.chance(0.3));
  }

  /** Nobody answers a heartbeat, so its loss is always told; another is asked about again after a while. */
  private lose({ from, to, message }: Sent, isTold: boolean): void {
    if (isTold || message.type === 'heartbeat') {
      from.group.unreachable(to);
    }
  }

  private receive(member: ModelMember, from: ModelMember, message: RaftMessage): void {
    if (this.options.traceLinesMax !== undefined) {
      const entries =
        message.type === 'append' ? message.entries.map(({ term, index }) => [index, term]) : undefined;
      this.note('deliver', `${from.id} to ${member.id} ${JSON.stringify({ ...message, entries })}`);
    }
    member.group.step(from.id, message);
  }

  private send(from: ModelMember, messages: readonly { to: MemberId; message: RaftMessage }[]): void {
    for (const { to, message } of messages) {
      if (message.type === 'append') {
        this.witness.appended(from.id, message.prevTerm, message.entries);
      }
      if ((message.type === 'append' || message.type === 'vote') && from.disk.term < message.term) {
        this.witness.report(
          'early-message',
          from.id,
          `${message.type} of term ${message.term} left too early`,
        );
      }
      if (this.sent.length >= SENT_MAX) {
        this.lose(this.sent.shift()!, true);
      }
      this.sent.push({ from, to, message });
    }
  }

  /** The end of a turn: outputs are taken mostly at once, appends are durable mostly later. */
  private settle(member: ModelMember, announceCommit: boolean): void {
    if (!member.isUp) {
      return;
    }
    const { random } = this;
    if ((member.group.hasOutput || announceCommit) && random.chance(this.haste)) {
      this.takeOutput(member, announceCommit);
      if (random.chance(this.haste / 2)) {
        this.flush(member);
      }
    }
    if (random.chance(0.7)) {
      member.apply();
    }
    this.observe(member);
  }

  private takeOutput(member: ModelMember, announceCommit: boolean): void {
    const output = member.takeOutput(announceCommit);
    this.send(member, output.messages);
  }

  observe(member: ModelMember): void {
    this.witness.observe(member.id, member.group, (id, index, term) =>
      this.byId.get(id)!.disk.holds(index, term),
    );
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
        this.tick(member);
        this.fetchSnapshot(member);
      }
      this.runHealthy(this.members);
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

  /** Everybody writes, and everything that was sent arrives. */
  private runHealthy(members: readonly ModelMember[]): void {
    for (const member of members) {
      for (let turn = 0; turn < 4 && (member.group.hasOutput || turn === 0); turn++) {
        this.takeOutput(member, true);
        while (member.writes.length > 0) {
          this.flush(member);
        }
        member.apply();
      }
      this.observe(member);
    }
    for (const { from, to, message } of [...this.late.splice(0), ...this.sent.splice(0)]) {
      const member = this.byId.get(to)!;
      this.receive(member, from, message);
      this.observe(member);
    }
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
