/** What this node knows of the others from what they say: incarnation, process run, fitness, leaderships, clock. */
import { type NodeMessage } from '../model/node-messages.js';
import { type Clock } from '../ports/clock.js';

type Heartbeat = Extract<NodeMessage, { kind: 'heartbeat' }>;

/** A folder takes a new incarnation when it may have forgotten, which is rare. */
const RETIRED_MAX = 16;
/** Later than any moment. */
export const NEVER = Infinity;

/** A moment of the monotonic clock, as heartbeats carry it. */
export function stampOf(monotonicMs: number): number {
  return Math.floor(monotonicMs) + 1;
}

/** One other node. */
export class Peer {
  /** Its process run; rises with every start. 0 until it has spoken. */
  session = 0;
  clusterId = '';
  /** Of the newest configuration that it knows; 0 where it knows none, or has not spoken. */
  epoch = 0;
  /** Monotonic, milliseconds; -Infinity until it has spoken. */
  heardAtMs = -Infinity;
  /** Since when it should be heard, monotonic. */
  awaitedSinceMs = -Infinity;
  /** When its live connection ended, monotonic; {@link NEVER} where something came since. */
  disconnectedAtMs = NEVER;
  /** When a live connection of this process run of it ended last: what is heard right after may have been sent before. */
  closedAtMs = -Infinity;
  isFit = false;
  isReady = false;
  isWritable = true;
  /** Of its log, as this process run of it said. */
  durablePosition = 0;
  /** As earlier runs of the same incarnation had said. */
  earlierPosition = 0;
  /** Its wall clock less this node's, milliseconds, as of its last heartbeat that came soon: too small by what the way took. */
  clockOffsetMs = 0;
  /** Of its last heartbeat; 0 for none of this process run. When that came, monotonic. */
  stampMs = 0;
  stampedAtMs = 0;
  /** Whether it has told, since this process began, what it remembers of this node. */
  hasIntroducedItself = false;
  /** The number of the list below; -1 for none. */
  ledNumber = -1;
  /** The number in its last heartbeat. */
  ledNumberTold = -1;
  /** Group to term. */
  led: ReadonlyMap<number, number> = new Map();
  /** Its groups that take no writes, as it told with that list. */
  withoutQuorum: ReadonlySet<number> = new Set();
  /** The list was asked for, and has not come yet: ticks since. */
  ledAskedTicks = 0;

  /** Of the last frame taken on each lane. */
  liveSequence = 0;
  bulkSequence = 0;
  /** Live frames of this process run of it that never came. */
  missedFrames = 0;
  /** So many of this node's has it missed, as it said last. */
  missedByIt = 0;

  /** Incarnations that it had before, the latest last. */
  retired: readonly string[] = [];
  /** The retired incarnation under which somebody speaks for it now; '' for none. */
  refused = '';

  private folder = '';
  private name: string;

  constructor(readonly nodeId: string) {
    this.name = `${nodeId}@`;
  }

  /** Node id and incarnation. */
  get member(): string {
    return this.name;
  }

  /** Of its data folder; '' until it has spoken. */
  get incarnation(): string {
    return this.folder;
  }

  set incarnation(incarnation: string) {
    this.folder = incarnation;
    this.name = `${this.nodeId}@${incarnation}`;
  }

  get isDisconnected(): boolean {
    return this.disconnectedAtMs !== NEVER;
  }

  /** All that was ever told of this incarnation's log. */
  get highestPosition(): number {
    return Math.max(this.durablePosition, this.earlierPosition);
  }

  /** @param soonMs a heartbeat that was under way for longer, with the way of what it echoes, says nothing of its clock */
  take(heartbeat: Heartbeat, clock: Clock, soonMs: number): void {
    this.clusterId = heartbeat.clusterId;
    this.epoch = heartbeat.epoch;
    this.durablePosition = Math.max(this.durablePosition, heartbeat.durablePosition);
    this.isFit = heartbeat.isFit;
    this.isReady = heartbeat.isReady;
    this.isWritable = heartbeat.isWritable;
    this.ledNumberTold = heartbeat.ledNumber;
    const nowMs = clock.monotonic();
    const { echoMs, echoAgeMs } = heartbeat;
    if (echoMs === 0 || stampOf(nowMs) - echoMs - echoAgeMs <= soonMs) {
      this.clockOffsetMs = heartbeat.sentAtMs - clock.now();
    }
    this.stampMs = heartbeat.stampMs;
    this.stampedAtMs = nowMs;
    this.hasIntroducedItself = true;
  }

  /** The node has come back as another process, or with another folder. */
  restart(incarnation: string, session: number): void {
    this.earlierPosition = incarnation === this.incarnation ? this.highestPosition : 0;
    this.durablePosition = 0;
    this.epoch = 0;
    this.stampMs = 0;
    if (incarnation !== this.incarnation) {
      if (this.incarnation !== '') {
        this.retired = [...this.retired, this.incarnation].slice(-RETIRED_MAX);
      }
    }
    this.refused = '';
    this.incarnation = incarnation;
    this.session = session;
    this.forgetMoment();
    this.liveSequence = 0;
    this.bulkSequence = 0;
    this.missedFrames = 0;
    this.missedByIt = 0;
  }

  /** It is not talked to for now. Should it come back, frames that it sent before are still old ones. */
  part(): void {
    this.hasIntroducedItself = false;
    this.heardAtMs = -Infinity;
    this.stampMs = 0;
    this.forgetMoment();
  }

  /** What was true of it a moment ago. */
  private forgetMoment(): void {
    this.disconnectedAtMs = NEVER;
    this.closedAtMs = -Infinity;
    this.isFit = false;
    this.isReady = false;
    this.isWritable = true;
    this.ledNumber = -1;
    this.led = new Map();
    this.withoutQuorum = new Set();
    this.ledAskedTicks = 0;
  }

  /** Whether a frame is the next of its lane, or one after it; what was overtaken is lost. */
  takeSequence(isBulk: boolean, sequence: number): boolean {
    if (sequence <= (isBulk ? this.bulkSequence : this.liveSequence)) {
      return false;
    }
    if (isBulk) {
      this.bulkSequence = sequence;
    } else {
      this.missedFrames += sequence - this.liveSequence - 1;
      this.liveSequence = sequence;
    }
    return true;
  }

  takeLed({ number, groups, withoutQuorum }: Extract<NodeMessage, { kind: 'led' }>): void {
    this.ledNumber = number;
    this.led = new Map(groups.map(({ group, term }) => [group, term]));
    this.withoutQuorum = new Set(withoutQuorum);
    this.ledAskedTicks = 0;
  }
}
