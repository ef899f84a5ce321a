/** A Raft group of the model: members with disks, a network between them, and a witness who sees everything. */
import { type MemberId, NO_CONFIGURATION, type RaftMessage } from '../../src/model/raft-messages.js';
import { type RaftGroup, type RaftOutput } from '../../src/raft/raft-group.js';
import { EVENTS, type RaftEvent } from './raft-events.js';
import { RaftWitness } from './raft-invariants.js';
import { ModelMember } from './raft-model.js';
import { RaftNetwork, type Sent } from './raft-network.js';
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

/** A member without a leader stands for election after so many ticks to twice as many. */
export const ELECTION_TICKS = 4;

/** The members, their disks and what is under way between them; all chance comes from one seed. */
export class RaftCluster {
  readonly random: SimRandom;
  readonly witness = new RaftWitness();
  readonly members: ModelMember[] = [];
  protected readonly network: RaftNetwork;
  /** The first voters: most events happen to them. */
  protected readonly active: readonly ModelMember[];
  readonly trace: SimTrace;
  proposed = 0;
  faults = 0;
  steps = 0;
  protected readonly loss: number;
  protected readonly events: readonly RaftEvent[];
  /** How often a member's turn ends after an event, and an append is durable at once. */
  protected readonly haste: number;
  protected readonly byId = new Map<MemberId, ModelMember>();

  constructor(
    seed: number,
    protected readonly options: RaftRunOptions,
  ) {
    const random = new SimRandom(`raft ${seed}`);
    this.random = random;
    this.trace = new SimTrace({ linesMax: options.traceLinesMax ?? 0 });
    this.loss = random.pick([0, 0.02, 0.1]);
    this.network = new RaftNetwork(random, random.pick([0, 0.3, 0.6]));
    this.events = random.pick(EVENTS);
    this.haste = random.pick([0.9, 0.7, 0.4]);
    const size = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5]);
    const voters = Array.from({ length: size }, (_, place) => `n${place}@1`);
    const spares = Array.from({ length: random.pick([2, 2, 3]) }, (_, place) => `n${place}@2`);
    const resendTicks = 2;
    const appendBytesMax = random.pick([1, 80, 400]);
    for (const self of [...voters, ...spares]) {
      const birth = voters.includes(self) ? { voters, outgoing: [], learners: [] } : NO_CONFIGURATION;
      const member = new ModelMember(
        self,
        birth,
        {
          self,
          random,
          electionTicks: ELECTION_TICKS,
          resendTicks,
          appendBytesMax,
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
  protected begin(): void {
    this.members[0]!.group.campaign('single');
    for (let round = 0; round < 7; round++) {
      this.runHealthy(this.active);
    }
  }

  protected mayFail(): boolean {
    return this.faults < (this.options.faultsMax ?? Infinity);
  }

  protected fault(
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

  protected note(kind: string, detail: string): void {
    if (this.options.traceLinesMax !== undefined) {
      this.trace.record(this.steps, kind, detail);
    }
  }

  protected leading(): ModelMember | undefined {
    return this.members.find(({ isUp, group }) => isUp && group.role === 'leader');
  }

  protected isReachable(id: MemberId): boolean {
    const member = this.byId.get(id)!;
    return member.isUp && !member.isCut;
  }

  protected restart(member: ModelMember): void {
    this.note('restart', member.id);
    member.restart();
    for (const other of this.members) {
      // Its connections broke.
      other.group.unreachable(member.id);
    }
    this.witness.restarted(member.id, member.group);
  }

  protected flush(member: ModelMember): void {
    if (member.writes.length > 0) {
      this.note('flush', member.id);
      const { output } = member.writes[0]!;
      const messages = member.flush();
      this.written(member, output);
      this.send(member, messages);
    }
  }

  /** What never reached a disk nor left was never there: a leader may make another entry in its place. */
  protected written({ id, disk }: ModelMember, { entries }: RaftOutput): void {
    if (entries.length > 0) {
      const previous = disk.termAt(entries[0]!.index - 1);
      if (previous !== undefined) {
        this.witness.appended(id, previous, entries);
      }
    }
  }

  protected tick(member: ModelMember): void {
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
  protected detect(member: ModelMember, isRight: boolean): void {
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

  /** From whoever offered it, who always has it, if `isSure`; else now and then from another, which may not be as far. */
  protected fetchSnapshot(member: ModelMember, isSure: boolean): void {
    const { wanted } = member;
    if (!wanted) {
      return;
    }
    const giver =
      isSure || this.random.chance(0.5) ? this.byId.get(wanted.member)! : this.random.pick(this.members);
    const snapshot = giver.isUp ? giver.snapshot() : undefined;
    if (snapshot && snapshot.index >= wanted.index) {
      this.note('install', `${member.id} ${snapshot.index}`);
      member.install(snapshot);
    }
  }

  protected arrive(one: Sent): void {
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
  protected lose({ from, to, message }: Sent, isTold: boolean): void {
    if (isTold || message.type === 'heartbeat') {
      from.group.unreachable(to);
    }
  }

  protected receive(member: ModelMember, from: ModelMember, message: RaftMessage): void {
    if (this.options.traceLinesMax !== undefined) {
      const entries =
        message.type === 'append' ? message.entries.map(({ term, index }) => [index, term]) : undefined;
      this.note('deliver', `${from.id} to ${member.id} ${JSON.stringify({ ...message, entries })}`);
    }
    member.group.step(from.id, message);
  }

  protected send(from: ModelMember, messages: readonly { to: MemberId; message: RaftMessage }[]): void {
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
      const lost = this.network.push({ from, to, message });
      if (lost) {
        this.lose(lost, true);
      }
    }
  }

  /** The end of a turn: outputs are taken mostly at once, appends are durable mostly later. */
  protected settle(member: ModelMember, announceCommit: boolean): void {
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

  protected takeOutput(member: ModelMember, announceCommit: boolean): void {
    const output = member.takeOutput(announceCommit);
    this.send(member, output.messages);
  }

  observe(member: ModelMember): void {
    this.witness.observe(member.id, member.group, member.disk.term, (id, index, term) =>
      this.byId.get(id)!.disk.holds(index, term),
    );
  }

  /** Everybody writes, and everything that was sent arrives. */
  protected runHealthy(members: readonly ModelMember[]): void {
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
    for (const { from, to, message } of this.network.drain()) {
      const member = this.byId.get(to)!;
      this.receive(member, from, message);
      this.observe(member);
    }
  }
}
