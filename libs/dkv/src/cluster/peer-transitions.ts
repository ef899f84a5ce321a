/** The comings and goings of peers, told once each: what is logged of them, shown of them and counted. */
import { type ClusterNode, type PeerTrouble, type RefusalReason } from '../model/node.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type PeerObserver, type PeerRefusal } from '../ports/peer-observer.js';
import { type ClusterView } from './cluster-view.js';

/** A refusal that did not happen for so long is news when it happens again. */
const QUIET_MS = 60_000;
/** Senders name themselves: past so many, what was told of them is forgotten rather than kept. */
const TOLD_MAX = 1_000;
/** Of those who are neither members nor guests so many are told of in that time: they may have any number of names. */
const STRANGERS_TOLD_MAX = 10;
/** A refusal so shortly before a peer fell silent is why it did. */
const CAUSE_MS = 10_000;
/** Refusals of those who are neither members nor guests are counted together. */
const STRANGER = 'unknown';

/** Of one other node. */
interface Known {
  isUp: boolean;
  /** Whether it was ever heard by this process. */
  wasUp: boolean;
  /** When that became so: of the monotonic clock, and milliseconds since 1970. */
  sinceMs: number;
  since: number;
  /** Why it is not up. */
  trouble: PeerTrouble | undefined;
  /** It has said that it stops. */
  isLeaving: boolean;
  isSkewed: boolean;
  /** Why no connection could be made since it was up last. */
  wayError: string;
  lastRefusal: { readonly reason: RefusalReason; readonly atMs: number } | undefined;
}

export interface PeerCondition {
  readonly isUp: boolean;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Undefined where nothing is wrong. */
  readonly trouble: PeerTrouble | undefined;
}

export class PeerTransitions implements PeerObserver {
  private readonly known = new Map<string, Known>();
  /** When each sort of refusal of each sender was met last, monotonic. */
  private readonly metAtMs = new Map<string, number>();
  private readonly refusals = new Map<string, Map<RefusalReason, number>>();
  private strangersTold = { count: 0, sinceMs: -Infinity };

  private members: ReadonlySet<string>;
  private epoch: number;

  constructor(
    private readonly view: ClusterView,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.members = membersOf(view);
    this.epoch = view.epoch;
    this.follow();
    view.onConfiguration(() => {
      this.tellOfMembers();
      this.follow();
    });
  }

  /** Undefined for what is neither another member nor a guest. */
  conditionOf(nodeId: string): PeerCondition | undefined {
    const known = this.known.get(nodeId);
    return (
      known && {
        isUp: known.isUp,
        since: known.since,
        trouble: known.isUp && known.isSkewed ? 'clock' : known.trouble,
      }
    );
  }

  /** Other members that were heard since this node started, whether they are up now or not. */
  get seen(): readonly string[] {
    const wasUp = ({ nodeId }: ClusterNode) => this.known.get(nodeId)?.wasUp === true;
    return this.view.peers.filter(wasUp).map(({ nodeId }) => nodeId);
  }

  /** Members and guests, and `unknown` for all others together. */
  *counts(): IterableIterator<readonly [peer: string, reason: RefusalReason, count: number]> {
    for (const [peer, reasons] of this.refusals) {
      for (const [reason, count] of reasons) {
        yield [peer, reason, count];
      }
    }
  }

  /** The peer is heard, for the first time or again. */
  up(nodeId: string): void {
    const known = this.known.get(nodeId);
    if (!known || known.isUp) {
      return;
    }
    const { trouble, wasUp } = known;
    const awayMs = this.change(known, true, undefined);
    known.wasUp = true;
    known.isLeaving = false;
    known.wayError = '';
    this.forget(nodeId);
    this.logger.log(
      wasUp
        ? `Node ${nodeId} is back after ${secondsOf(awayMs)} s${trouble && ` (${trouble})`}.`
        : `Node ${nodeId} is up.`,
    );
  }

  /** The peer was up, and `why`, a clause for people, it is not any more. */
  down(nodeId: string, why: string): void {
    const known = this.known.get(nodeId);
    if (!known?.isUp) {
      return;
    }
    const { isLeaving, lastRefusal, wayError } = known;
    if (isLeaving) {
      this.change(known, false, 'stopped');
      this.logger.log(
        `Node ${nodeId} has stopped.${this.ofMember(nodeId, ' Its partitions are led by others.')}`,
      );
      return;
    }
    const isRefused = lastRefusal !== undefined && this.clock.monotonic() - lastRefusal.atMs <= CAUSE_MS;
    const trouble = isRefused ? lastRefusal.reason : 'unreachable';
    this.change(known, false, trouble);
    const way = isRefused || wayError === '' ? '' : ` ${wayError}`;
    const consequence = this.ofMember(nodeId, ' Its partitions are led by others now.');
    this.logger.warn(`Node ${nodeId} is down (${trouble}): ${why}.${consequence}${way}`);
  }

  /** The peer was not heard since this node started, and should have been by now. */
  unseen(nodeId: string): void {
    const known = this.known.get(nodeId);
    if (known && !known.wasUp && known.trouble === 'unseen') {
      this.logger.log(`Node ${nodeId} was not heard yet.${known.wayError && ` ${known.wayError}`}`);
    }
  }

  /** The peer says that it stops. */
  leaving(nodeId: string): void {
    const known = this.known.get(nodeId);
    if (known) {
      known.isLeaving = true;
    }
  }

  /** Another process speaks for the peer, which was not missed in between. */
  restarted(nodeId: string): void {
    const known = this.known.get(nodeId);
    if (known?.isUp) {
      known.isLeaving = false;
      this.change(known, true, undefined);
      this.logger.log(`Node ${nodeId} was started again.`);
    }
  }

  /** @param aheadMs how far the peer's clock is ahead of this node's; of a difference at the limit half is taken back */
  clockSeen(nodeId: string, aheadMs: number, maxMs: number): void {
    const known = this.known.get(nodeId);
    const differsMs = Math.abs(aheadMs);
    if (known && !known.isSkewed && differsMs > maxMs) {
      known.isSkewed = true;
      this.logger.warn(
        `The clock of node ${nodeId} is ${secondsOf(differsMs)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this node's; ` +
          `${secondsOf(maxMs)} s (maxClockOffsetMs) are tolerated. Synchronise the clocks.`,
      );
    } else if (known?.isSkewed && differsMs <= maxMs / 2) {
      known.isSkewed = false;
      this.logger.log(`The clock of node ${nodeId} agrees with this node's again.`);
    }
  }

  refused({ peer, reason, message }: PeerRefusal): void {
    const known = this.known.get(peer);
    this.count(known ? peer : STRANGER, reason);
    const now = this.clock.monotonic();
    const met = `${peer} ${reason}`;
    const last = this.metAtMs.get(met);
    if (this.metAtMs.size >= TOLD_MAX) {
      this.metAtMs.clear();
    }
    this.metAtMs.set(met, now);
    if (known) {
      known.lastRefusal = { reason, atMs: now };
      if (!known.isUp) {
        known.trouble = reason;
      }
    }
    const isNews = last === undefined || now - last > QUIET_MS;
    if (isNews && (known || this.mayTellOfStranger(now))) {
      this.logger.warn(message);
    }
  }

  unreachable(nodeId: string, why: string): void {
    const known = this.known.get(nodeId);
    if (known) {
      known.wayError = why;
    }
  }

  private mayTellOfStranger(nowMs: number): boolean {
    if (nowMs - this.strangersTold.sinceMs > QUIET_MS) {
      this.strangersTold = { count: 0, sinceMs: nowMs };
    }
    this.strangersTold.count++;
    return this.strangersTold.count <= STRANGERS_TOLD_MAX;
  }

  /** Whoever is no member has no partitions to speak of. */
  private ofMember(nodeId: string, consequence: string): string {
    return this.members.has(nodeId) ? consequence : '';
  }

  private tellOfMembers(): void {
    const before = this.members;
    const wasAgreed = this.epoch > 0;
    this.members = membersOf(this.view);
    this.epoch = this.view.epoch;
    if (!wasAgreed) {
      // Those before were the nodes that discovery shows: members of nothing yet.
      return;
    }
    for (const nodeId of this.members) {
      if (!before.has(nodeId)) {
        this.logger.log(`Node ${nodeId} is a member now.`);
      }
    }
    for (const nodeId of before) {
      if (!this.members.has(nodeId)) {
        this.logger.log(`Node ${nodeId} is no member any more.`);
      }
    }
  }

  /** Whoever is another member or a guest now is known, and nobody else. */
  private follow(): void {
    const others = new Set(this.view.others.map(({ nodeId }) => nodeId));
    for (const nodeId of this.known.keys()) {
      if (!others.has(nodeId)) {
        this.forget(nodeId);
        this.known.delete(nodeId);
        this.refusals.delete(nodeId);
      }
    }
    for (const nodeId of others) {
      if (!this.known.has(nodeId)) {
        this.known.set(nodeId, this.unseenYet());
      }
    }
  }

  private unseenYet(): Known {
    return {
      isUp: false,
      wasUp: false,
      sinceMs: this.clock.monotonic(),
      since: this.clock.now(),
      trouble: 'unseen',
      isLeaving: false,
      isSkewed: false,
      wayError: '',
      lastRefusal: undefined,
    };
  }

  /** Gives how long it had been as before. */
  private change(known: Known, isUp: boolean, trouble: PeerTrouble | undefined): number {
    const now = this.clock.monotonic();
    const lastedMs = now - known.sinceMs;
    known.isUp = isUp;
    known.trouble = trouble;
    known.sinceMs = now;
    known.since = this.clock.now();
    return lastedMs;
  }

  /** It is up, or gone: refusals from now on are of another incident. */
  private forget(nodeId: string): void {
    this.known.get(nodeId)!.lastRefusal = undefined;
    for (const met of this.metAtMs.keys()) {
      if (met.startsWith(`${nodeId} `)) {
        this.metAtMs.delete(met);
      }
    }
  }

  private count(peer: string, reason: RefusalReason): void {
    const reasons = this.refusals.get(peer) ?? new Map<RefusalReason, number>();
    this.refusals.set(peer, reasons);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
}

function membersOf(view: ClusterView): ReadonlySet<string> {
  return new Set(view.members.map(({ node }) => node.nodeId));
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(ms < 10_000 ? 1 : 0);
}
