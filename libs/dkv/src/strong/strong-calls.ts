/** The calls of this node's own callers: each asks the leader of its group until its outcome is known or its time over. */
import { DkvError } from '../dkv.errors.js';
import { majorityOf } from '../model/consistency.js';
import { type Answer, type Ask } from '../model/node-messages.js';
import { type RequestId } from '../model/request.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type StrongReadOptions, type StrongWrite, type StrongWritten } from '../model/strong-operations.js';
import {
  aborted,
  type DoneAnswer,
  indeterminate,
  lostSight,
  notApplied,
  readTooLong,
  shownOf,
  unreachable,
  writtenOf,
} from './call-ends.js';
import { type Call, type CallServices } from './calls-under-way.js';
import { LogFloors } from './log-floors.js';
import { OpenNumbers } from './open-numbers.js';
import { type Asker } from './group-parts.js';

/** The first part of a write's time is for getting it done, the rest for learning what became of it. */
const ASKING_SHARE = 0.6;
const SLOTS = 2 ** 20;
const CALLS_MAX = SLOTS - 1;
/** A late answer must not meet another call: so many begin before a number comes again. */
const VERSIONS = 2 ** 33;

export class StrongCalls implements Asker {
  private readonly slots: (Call | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly numbers = new OpenNumbers();
  private version = 0;
  private open = 0;
  private isClosed = false;
  private idle: (() => void) | undefined;
  readonly floors = new LogFloors();

  constructor(private readonly services: CallServices) {}

  get underWay(): number {
    return this.open;
  }

  /** @throws DkvError as `Dkv` says of writes */
  write(group: number, write: StrongWrite): Promise<StrongWritten> {
    return new Promise((resolve, reject) => {
      const done = (answer: DoneAnswer) => resolve(writtenOf(write, answer));
      this.begin(group, write, write, 'linearizable', done, reject);
    });
  }

  /** @throws DkvError `DKV_QUORUM_NOT_REACHED`, `DKV_TIMEOUT`, `DKV_ABORTED`, `DKV_OVERLOADED` */
  read(
    group: number,
    namespace: string,
    key: string,
    { level, timeoutMs, signal }: StrongReadOptions,
  ): Promise<ShownRecord | undefined> {
    return new Promise((resolve, reject) => {
      const done = (answer: DoneAnswer) => resolve(shownOf(answer.record));
      const asked = level === 'one' ? 'one' : 'linearizable';
      this.begin(group, { namespace, key, timeoutMs, signal }, undefined, asked, done, reject);
    });
  }

  answer(slot: number, answer: Answer): void {
    const call = this.slots[slot % SLOTS];
    if (call?.id !== slot) {
      return;
    }
    switch (answer.type) {
      case 'done':
        this.floors.raise(call.group, answer);
        return this.done(call, answer);
      case 'cancelled':
        return this.cancelled(call, answer);
      case 'retry':
        return this.retry(call, answer.leader, answer.session);
      case 'refused':
        return this.refused(call, answer);
    }
  }

  /** What a request led to is applied here: mostly that is before its leader tells. */
  ownApplied({ session, number }: RequestId, answer: DoneAnswer): void {
    const slot = this.numbers.slotOf(number);
    const call = slot === undefined ? undefined : this.slots[slot];
    if (call?.session === session) {
      this.answer(call.id, answer);
    }
  }

  /** Whoever waits for a leader, or was asked too long ago, asks again. */
  tick(): void {
    const now = this.services.clock.monotonic();
    for (const call of this.slots) {
      if (call && (call.target === '' || now - call.sentAtMs >= this.services.peerTimeoutMs)) {
        this.sendOrRefuse(call);
      }
    }
  }

  /** Who waits for a leader that cannot be elected any more is told, unless an earlier ask may have been carried out. */
  private sendOrRefuse(call: Call): void {
    const { group, key, write, level, target, asks } = call;
    const isIdle = target === '' && level !== 'one' && (!write || asks === 0);
    const refusal = isIdle ? this.services.refusal(group, key, write !== undefined) : undefined;
    if (refusal) {
      this.end(call);
      call.reject(refusal);
    } else {
      this.send(call);
    }
  }

  /** Nothing that was asked of the node will be answered. */
  lost(nodeId: string): void {
    for (const call of this.slots) {
      if (call && call.target === nodeId) {
        call.target = '';
      }
    }
  }

  /** A leader has become known: whoever waits for it asks. */
  leaderKnown(group: number): void {
    for (const call of this.slots) {
      if (call && call.target === '' && call.group === group) {
        this.send(call);
      }
    }
  }

  /** Takes no calls any more; resolves when those under way have ended. */
  async close(): Promise<void> {
    this.isClosed = true;
    if (this.open > 0) {
      await new Promise<void>((resolve) => (this.idle = resolve));
    }
  }

  private begin(
    group: number,
    { namespace, key, timeoutMs, signal }: Pick<StrongWrite, 'namespace' | 'key' | 'timeoutMs' | 'signal'>,
    write: StrongWrite | undefined,
    level: Call['level'],
    resolve: Call['resolve'],
    reject: Call['reject'],
  ): void {
    const { clock, session } = this.services;
    const nowMs = clock.monotonic();
    const refusal = this.refusalOf(group, key, signal, write, level);
    if (refusal) {
      reject(refusal);
      return;
    }
    const index = this.free.pop() ?? this.slots.length;
    this.version = (this.version + 1) % VERSIONS;
    const call: Call = {
      id: this.version * SLOTS + index,
      index,
      group,
      namespace,
      key,
      timeoutMs,
      resolve,
      reject,
      write,
      session: session(),
      number: write ? this.numbers.take(index) : 0,
      level,
      generation: Math.max(1, this.floors.of(group).generation, this.services.generationOf(group)),
      asks: 0,
      target: '',
      sentAtMs: nowMs,
      isCancelling: false,
      refusal: undefined,
      timer: undefined,
      endsAtMs: nowMs + timeoutMs,
      unlisten: undefined,
    };
    this.slots[index] = call;
    this.open++;
    call.timer = clock.schedule(write ? timeoutMs * ASKING_SHARE : timeoutMs, () => this.late(call));
    if (signal) {
      const abort = () => this.aborted(call, signal);
      signal.addEventListener('abort', abort, { once: true });
      call.unlisten = () => signal.removeEventListener('abort', abort);
    }
    this.send(call);
  }

  /** What need not be begun. */
  private refusalOf(
    group: number,
    key: string,
    signal: AbortSignal | undefined,
    write: StrongWrite | undefined,
    level: Call['level'],
  ): DkvError | undefined {
    const { view } = this.services;
    if (signal?.aborted) {
      return aborted(signal, '; nothing was sent');
    }
    if (this.isClosed) {
      return new DkvError('DKV_NOT_READY', `Node ${view.selfId} is closing; nothing was done.`);
    }
    if (this.open >= CALLS_MAX) {
      return new DkvError('DKV_OVERLOADED', `${this.open} operations are under way. Try again later.`);
    }
    if (level === 'one') {
      return view.reachable(group).length > 0 ? undefined : unreachable(view, key, group, 1, false);
    }
    return this.services.refusal(group, key, write !== undefined);
  }

  private send(call: Call): void {
    this.sendTo(call, call.level === 'one' ? this.copyFor(call) : this.services.leaderOf(call.group));
  }

  /** '' is nobody: the call waits until a leader is known. */
  private sendTo(call: Call, nodeId: string): void {
    call.sentAtMs = this.services.clock.monotonic();
    call.target = nodeId;
    if (nodeId !== '') {
      call.asks++;
      this.services.ask(nodeId, call.id, call.group, this.askOf(call));
    }
  }

  /** A node that holds a copy: this one, else the first that can be reached, another one each time. */
  private copyFor({ group, asks }: Call): string {
    const { view } = this.services;
    const own = this.services.holdsCopy(group) ? view.selfId : '';
    if (asks === 0 && own !== '') {
      return own;
    }
    const others = view.reachable(group).filter((nodeId) => nodeId !== view.selfId);
    return others.length > 0 ? others[asks % others.length]! : own;
  }

  private askOf(call: Call): Ask {
    const { namespace, key, write, session, number } = call;
    if (!write) {
      const linearizable = call.level === 'linearizable';
      return { type: 'read', namespace, key, linearizable, floor: this.floors.of(call.group) };
    }
    const { selfId: nodeId } = this.services.view;
    const request = { nodeId, session, number, lowestUnanswered: this.numbers.lowest };
    return call.isCancelling
      ? { type: 'cancel', request, namespace, key }
      : { type: 'write', request, write };
  }

  private done(call: Call, answer: DoneAnswer): void {
    if (call.write && call.asks > 1 && !answer.isLogged) {
      // An earlier copy of the question may still be on its way, and would then be carried out after this answer.
      this.fence(call, answer);
      return;
    }
    this.end(call);
    call.resolve(answer);
  }

  private refused(call: Call, answer: Extract<Answer, { type: 'refused' }>): void {
    if (call.write && call.asks > 1) {
      this.fence(call, answer);
      return;
    }
    this.end(call);
    call.reject(new DkvError(answer.code, answer.message));
  }

  private fence(call: Call, answer: Answer): void {
    call.refusal ??= { answer };
    if (!call.isCancelling) {
      call.isCancelling = true;
      this.send(call);
    }
  }

  private cancelled(call: Call, answer: Extract<Answer, { type: 'cancelled' }>): void {
    this.floors.raise(call.group, answer);
    const told = call.refusal?.answer;
    this.end(call);
    if (answer.generation > call.generation) {
      call.reject(lostSight(call.key));
    } else if (told?.type === 'done') {
      call.resolve(told);
    } else if (told?.type === 'refused') {
      call.reject(new DkvError(told.code, told.message));
    } else {
      call.reject(notApplied(call.key));
    }
  }

  private retry(call: Call, leader: string, session: number): void {
    const { services } = this;
    if (session > call.session) {
      services.raiseSession(session);
    }
    const asked = call.target;
    call.target = '';
    const known = call.level === 'one' ? '' : services.leaderOf(call.group);
    // Who says that another leads is asked no second time before something new is heard.
    if (leader !== '' && leader !== asked && services.view.isMember(leader)) {
      this.sendTo(call, leader);
    } else if (known !== '' && known !== asked) {
      this.send(call);
    } else if (call.level === 'one' && call.asks < 2 * services.view.copiesOf(call.group)) {
      this.send(call);
    }
  }

  /** The time of the call, or its first part, is over. */
  private late(call: Call): void {
    const { clock, view } = this.services;
    const { write, group, key } = call;
    const leftMs = call.endsAtMs - clock.monotonic();
    if (!write) {
      this.end(call);
      call.reject(readTooLong(key, call.timeoutMs));
    } else if (call.asks === 0) {
      this.end(call);
      call.reject(unreachable(view, key, group, majorityOf(view.copiesOf(group)), true));
    } else if (leftMs > 1) {
      call.timer = clock.schedule(leftMs, () => this.late(call));
      if (!call.isCancelling) {
        call.isCancelling = true;
        this.send(call);
      }
    } else {
      this.end(call);
      call.reject(indeterminate(call.key, `was not known after ${call.timeoutMs} ms`));
    }
  }

  private aborted(call: Call, signal: AbortSignal): void {
    this.end(call);
    const mayBeDone = call.write !== undefined && call.asks > 0;
    call.reject(
      mayBeDone ? indeterminate(call.key, 'was not known when the caller aborted') : aborted(signal),
    );
  }

  private end(call: Call): void {
    this.slots[call.index] = undefined;
    this.free.push(call.index);
    this.open--;
    call.timer?.cancel();
    call.unlisten?.();
    if (call.write) {
      this.numbers.done(call.number);
    }
    if (this.open === 0) {
      this.idle?.();
    }
  }
}
