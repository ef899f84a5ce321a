/** Reads: the local copy where one is held, the nearest else, or a quorum of them. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type ReadLevel } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type PeerProtocol } from '../model/peer-protocol.js';
import { isVisible, type KvRecord } from '../model/record.js';
import { type Copy, type ReadRepair } from './repair/read-repair.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { assertTakesPart, isOutside, untilHeard } from './asked-in-time.js';
import { type OwnWrite, type OwnWrites } from './own-writes.js';
import { Quorum } from './quorum.js';

export class Reader {
  /** Until the node has caught up after a start, its own copies are not read while another node can answer. */
  private hasCaughtUp = false;

  constructor(
    private readonly context: CoreContext,
    private readonly repair: ReadRepair,
    private readonly ownWrites: OwnWrites,
    /** Whether this node still has records of a partition that is on other nodes, its own writes among them. */
    private readonly isLeftOver: (partition: number) => boolean = () => false,
  ) {}

  setCaughtUp(): void {
    this.hasCaughtUp = true;
  }

  get isCaughtUp(): boolean {
    return this.caughtUp;
  }

  private get caughtUp(): boolean {
    return this.hasCaughtUp && !isOutside(this.context);
  }

  /**
   * The record, tombstones and expired ones included.
   * @throws DkvError `DKV_QUORUM_NOT_REACHED` (too few nodes can be asked), `DKV_TIMEOUT`, `DKV_ABORTED`,
   *   `DKV_CORRUPT_RECORD`, `DKV_STORAGE_FAILED`.
   */
  read(id: RecordId, level: ReadLevel, deadline: Deadline): Promise<KvRecord | undefined> {
    const { view } = this.context;
    const own = this.ownWrites.expected(id);
    if (level === 'one' && !own && this.caughtUp && view.holds(id.partition)) {
      return this.context.local.get(id);
    }
    return untilHeard(deadline, () => this.readOnce(id, level, own, deadline));
  }

  private readOnce(
    id: RecordId,
    level: ReadLevel,
    own: OwnWrite | undefined,
    deadline: Deadline,
  ): Promise<KvRecord | undefined> {
    const isHere = this.context.view.holds(id.partition) || this.isLeftOver(id.partition);
    if (level === 'one' && this.caughtUp && (!own || own.version !== undefined) && !isHere) {
      return this.readElsewhere(id, own, deadline);
    }
    const answer = level === 'one' ? this.readOne(id, own, deadline) : this.readQuorum(id, own, deadline);
    return this.inTime(id, answer, deadline);
  }

  /** What `read` at level `one` would give of a copy that is in memory, null for nothing; else undefined. */
  peek(namespace: string, key: string): KvRecord | null | undefined {
    const { local, view, clock, namespaces } = this.context;
    const hot = this.caughtUp ? local.peek?.(namespace, key) : undefined;
    if (!hot || !view.holds(hot.partition) || this.ownWrites.isAwaited(hot.partition)) {
      return undefined;
    }
    if (!hot.isRouted) {
      // A peer that has it wrong may have asked for the key in another partition, where there is nothing.
      if (view.partitionOf(key, namespaces.get(namespace).placement) !== hot.partition) {
        return undefined;
      }
      hot.isRouted = true;
    }
    const { record = null } = hot;
    return record === null ||
      record.tombstone ||
      (record.expiresAtMs !== 0 && !isVisible(record, clock.now()))
      ? null
      : record;
  }

  /** Of a key that only others hold, most often with one request, which looks after the deadline itself. */
  private readElsewhere(
    id: RecordId,
    own: OwnWrite | undefined,
    deadline: Deadline,
  ): Promise<KvRecord | undefined> {
    const reachable = this.context.view.reachable(id.partition);
    const isBestFirst = !own || own.coordinator === reachable[0];
    const nodeIds = isBestFirst ? reachable : this.candidates(id, own);
    const [first] = nodeIds;
    if (first === undefined) {
      return this.readFurther(nodeIds, id, own, deadline);
    }
    return this.asked(first, id, deadline, this.context.limits.peerTimeoutMs).then(
      ({ record }) =>
        this.shows(record, own, first) ? record : this.readFurther(nodeIds, id, own, deadline),
      (cause: unknown) => this.readFurther(nodeIds, id, own, deadline, cause),
    );
  }

  /** Asks those after the first. */
  private async readFurther(
    nodeIds: readonly string[],
    id: RecordId,
    own: OwnWrite | undefined,
    deadline: Deadline,
    firstCause?: unknown,
  ): Promise<KvRecord | undefined> {
    let cause = firstCause;
    this.assertInTime(id, deadline, cause);
    for (const nodeId of nodeIds.slice(1)) {
      try {
        const record = await this.copyOf(nodeId, id, deadline);
        if (this.shows(record, own, nodeId)) {
          return record;
        }
      } catch (error) {
        cause = error;
      }
      this.assertInTime(id, deadline, cause);
    }
    throw this.tooFew(id, cause, deadline);
  }

  private assertInTime(id: RecordId, deadline: Deadline, cause: unknown): void {
    deadline.assertWanted();
    if (deadline.over) {
      throw this.late(id, deadline, cause);
    }
  }

  private inTime(
    id: RecordId,
    answer: Promise<KvRecord | undefined>,
    deadline: Deadline,
  ): Promise<KvRecord | undefined> {
    return deadline.race(answer, () => {
      deadline.assertWanted();
      throw this.late(id, deadline);
    });
  }

  private async readOne(
    id: RecordId,
    own: OwnWrite | undefined,
    deadline: Deadline,
  ): Promise<KvRecord | undefined> {
    const { view } = this.context;
    if (own && own.version === undefined && own.coordinator === undefined) {
      return this.readQuorum(id, own, deadline);
    }
    let cause: unknown;
    for (const nodeId of this.candidates(id, own)) {
      try {
        const record = await this.orOwnCopy(id, await this.copyOf(nodeId, id, deadline));
        if (this.shows(record, own, nodeId)) {
          if (own && record && nodeId === view.selfId) {
            this.ownWrites.settled(id, record.version);
          }
          return record;
        }
      } catch (error) {
        cause = error;
      }
      if (deadline.over) {
        break;
      }
    }
    // The coordinator is away: what was written at level `quorum` a majority has.
    if (own && own.version === undefined) {
      return this.readQuorum(id, own, deadline);
    }
    throw this.tooFew(id, cause, deadline);
  }

  /** What this node wrote while it was catching up, or before others had the partition, is in its own copy: the newer one. */
  private async orOwnCopy(id: RecordId, record: KvRecord | undefined): Promise<KvRecord | undefined> {
    const { view, local } = this.context;
    if (!view.holds(id.partition) && !this.isLeftOver(id.partition)) {
      return record;
    }
    const own = await local.get(id).catch(() => undefined);
    return (own?.version ?? '') > (record?.version ?? '') ? own : record;
  }

  /** Whether a node's answer holds what this node wrote itself. */
  private shows(record: KvRecord | undefined, own: OwnWrite | undefined, nodeId: string): boolean {
    if (!own) {
      return true;
    }
    return own.version === undefined ? nodeId === own.coordinator : (record?.version ?? '') >= own.version;
  }

  /** Whom to ask, best first: this node, the coordinator of an own write, the preference list. */
  private candidates(id: RecordId, own: OwnWrite | undefined): readonly string[] {
    const { view } = this.context;
    const reachable = view.reachable(id.partition);
    const rank = (nodeId: string) => {
      if (nodeId === view.selfId) {
        return this.caughtUp ? 0 : 3;
      }
      return nodeId === own?.coordinator ? 1 : 2;
    };
    return [...reachable].sort((a, b) => rank(a) - rank(b));
  }

  private async readQuorum(
    id: RecordId,
    own: OwnWrite | undefined,
    deadline: Deadline,
  ): Promise<KvRecord | undefined> {
    const quorum = new Quorum(this.context.view, id.partition, 'quorum');
    const { reachable } = quorum;
    if (!quorum.isMetBy(reachable)) {
      throw this.tooFew(id, undefined, deadline);
    }
    const answers = this.askAll(reachable, id, quorum, own, deadline);
    const copies = await answers.enough;
    const winner = await this.repair.settle(id, copies);
    void answers.all.then((all) => this.repair.sendWinner(id, winner, all));
    return winner;
  }

  /**
   * Asks all at once; `enough` resolves with the first copies that are enough and hold the own write. Where that was forgotten, its
   * coordinator alone may have it: its answer is waited for as long as that of a node which is asked alone.
   */
  private askAll(
    nodeIds: readonly string[],
    id: RecordId,
    quorum: Quorum,
    own: OwnWrite | undefined,
    deadline: Deadline,
  ): { enough: Promise<readonly Copy[]>; all: Promise<readonly Copy[]> } {
    const copies: Copy[] = [];
    const coordinator = own?.version === undefined ? own?.coordinator : undefined;
    const open = new Set(nodeIds);
    let cause: unknown;
    let all!: Promise<readonly Copy[]>;
    const enough = new Promise<readonly Copy[]>((resolve, reject) => {
      const judge = () => {
        const seen = own?.version
          ? copies.some(({ record }) => (record?.version ?? '') >= own.version!)
          : coordinator === undefined || !open.has(coordinator);
        if (seen && quorum.isMetBy(copies.map(({ nodeId }) => nodeId))) {
          resolve([...copies]);
        } else if (open.size === 0) {
          reject(this.tooFew(id, cause, deadline));
        }
      };
      const ask = async (nodeId: string) => {
        try {
          // All are asked at the same time: giving another up early would help nobody.
          const patienceMs = nodeId === coordinator ? this.context.limits.peerTimeoutMs : deadline.leftMs;
          copies.push({ nodeId, record: await this.copyOf(nodeId, id, deadline, patienceMs) });
        } catch (error) {
          cause = isDkvError(cause, 'DKV_NOT_READY') ? cause : error;
        }
        open.delete(nodeId);
        judge();
      };
      all = Promise.all(nodeIds.map(ask)).then(() => copies);
    });
    return { enough, all };
  }

  private async copyOf(
    nodeId: string,
    id: RecordId,
    deadline: Deadline,
    patienceMs = this.context.limits.peerTimeoutMs,
  ): Promise<KvRecord | undefined> {
    const { view, local } = this.context;
    if (nodeId === view.selfId) {
      assertTakesPart(this.context, id.partition);
    }
    return nodeId === view.selfId
      ? local.get(id)
      : (await this.asked(nodeId, id, deadline, patienceMs)).record;
  }

  private asked(
    nodeId: string,
    id: RecordId,
    deadline: Deadline,
    patienceMs: number,
  ): Promise<PeerProtocol['get']['answer']> {
    const timeoutMs = Math.max(1, Math.min(patienceMs, deadline.leftMs));
    const { view, peers } = this.context;
    const ask = { id, epoch: view.epoch };
    return peers.call(nodeId, 'get', ask, { timeoutMs, signal: deadline.signal });
  }

  private tooFew(id: RecordId, cause: unknown, deadline: Deadline): DkvError {
    if (isDkvError(cause, 'DKV_CORRUPT_RECORD', 'DKV_ABORTED')) {
      return cause;
    }
    if (deadline.over) {
      return this.late(id, deadline, cause);
    }
    const { view, telemetry } = this.context;
    telemetry.quorumFailure('get');
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    return new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `Too few of the nodes ${view.listOf(id.partition).join(', ')} answered ${view.selfId} for ` +
        `key ${JSON.stringify(id.key)}${why}.`,
      { cause },
    );
  }

  private late(id: RecordId, deadline: Deadline, cause?: unknown): DkvError {
    const message = `Reading key ${JSON.stringify(id.key)} took over ${deadline.timeoutMs} ms.`;
    return new DkvError('DKV_TIMEOUT', message, { cause });
  }
}
