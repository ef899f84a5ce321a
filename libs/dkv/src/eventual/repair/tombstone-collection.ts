/** Tombstone collection: the nodes of a partition agree on a floor, up to which each then forgets its deletes. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { KeyLocks } from '../../model/key-locks.js';
import { type PeerProtocol } from '../../model/peer-protocol.js';
import { type RecordHeader } from '../../model/record.js';
import { formatVersion, physicalMsOf, type Version } from '../../model/version.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { type RateLimit } from '../../cluster/rate-limit.js';
import { Schedule } from './schedule.js';

type ConfirmFloor = PeerProtocol['confirmFloor'];

const INTERVAL_MS = 60_000;
/** For reading through a partition, at a limited rate and after others that wait for their turn. */
const CONFIRM_TIMEOUT_MS = 30_000;
/** Partitions that wait to be read through. */
const WAITING_MAX = 8;
/** Headers read at a time, and what each costs of the rate. */
const CHUNK = 256;
const HEADER_BYTES = 150;
const DIGEST_BYTES = 16;
const NOT_NOW = '';

/**
 * The first node of a partition's list proposes a floor F, older than the lifetime of tombstones. Each of the N nodes
 *
 * 1. raises its fence to F: from then on it stamps no version up to F, and all that it stamped before is in its store;
 * 2. answers with a digest of all that it holds up to F, or with "not now".
 *
 * All N digests equal: what there is up to F is the same everywhere, and nothing can be added to it. Each node raises
 * its floor to F, at once or, where the word does not reach it, when anti-entropy shows it a peer with a higher floor.
 * Fences and floors are durable, so it does not matter when nodes restart in between.
 *
 * Nobody answers for a partition that moves.
 *
 * The fence is what makes it safe. An expired value is removed by a version right above its own, which may be below F
 * though it is stamped now: a tombstone stamped there after the digests were made would be on some nodes alone.
 */
export class TombstoneCollection {
  private readonly schedule: Schedule;
  /** One partition is read through at a time. */
  private readonly turns = new KeyLocks();
  private waiting = 0;
  /** What this node answered last since it started, by partition. */
  private readonly confirmed = new Map<number, { readonly floor: Version; readonly root: string }>();

  constructor(
    private readonly context: CoreContext,
    private readonly rate: RateLimit,
  ) {
    this.schedule = new Schedule(context, {
      intervalMs: () => context.limits.collectionIntervalMs ?? INTERVAL_MS,
      pass: () => this.pass(),
    });
  }

  /** Does nothing after `stop`. */
  start(): void {
    this.schedule.start();
  }

  stop(): void {
    this.schedule.stop();
  }

  /** The answer to a peer's `confirmFloor`, or to this node's own. @throws DkvError of the repository. */
  async confirm({ partition, floor, agreed }: ConfirmFloor['ask']): Promise<ConfirmFloor['answer']> {
    if (agreed !== undefined) {
      return { root: await this.conclude(partition, floor, agreed) };
    }
    // A fence of today would be in the way of writes: a node with a longer lifetime of tombstones has the last word.
    // While the partition moves there are nodes that copy what this one has: what is forgotten here they would keep.
    const isMoving = this.context.view.sinceOf(partition) > 0;
    if (this.waiting >= WAITING_MAX || isMoving || !this.isOldEnough(floor)) {
      return { root: NOT_NOW };
    }
    this.waiting++;
    try {
      return { root: await this.turns.run('', () => this.rootUpTo(partition, floor)) };
    } finally {
      this.waiting--;
    }
  }

  private async pass(): Promise<void> {
    for (const partition of this.context.view.ownPartitions()) {
      if (this.schedule.running) {
        await this.visit(partition);
      }
    }
  }

  /** Never rejects: the next pass comes here again. */
  private async visit(partition: number): Promise<void> {
    const { local, logger } = this.context;
    try {
      const held = local.floorOf(partition);
      if (held && (await local.hasCollectable(partition, held))) {
        // Left over: a crash came in between.
        await local.raiseFloor(partition, held);
      }
      const floor = this.floorNow();
      if (this.mayPropose(partition) && (await local.hasCollectable(partition, floor))) {
        await this.collect(partition, floor);
      }
    } catch (error) {
      logger.debug?.(`The tombstones of partition ${partition} stay: ${(error as Error).message}`);
    }
  }

  /** All nodes must answer, so one of them is enough to ask, and it is no use while one is away. */
  private mayPropose(partition: number): boolean {
    const { view } = this.context;
    const list = view.listOf(partition);
    if (view.sinceOf(partition) > 0) {
      return false;
    }
    return list[0] === view.selfId && list.every((nodeId) => view.stateOf(nodeId) === 'up');
  }

  private async collect(partition: number, floor: Version): Promise<void> {
    const { local, logger } = this.context;
    const { root } = await this.confirm({ partition, floor });
    if (root === NOT_NOW) {
      return;
    }
    const answers = await this.askOthers({ partition, floor });
    if (!this.schedule.running || !answers.every((answer) => answer === root)) {
      logger.debug?.(`The nodes of partition ${partition} do not hold the same up to ${floor} yet.`);
      return;
    }
    const erased = await local.raiseFloor(partition, floor);
    logger.debug?.(`${erased} tombstones of partition ${partition} up to ${floor} were collected.`);
    await this.askOthers({ partition, floor, agreed: root });
  }

  /** The answer of each other node of the partition; "not now" where none came. */
  private askOthers(ask: ConfirmFloor['ask']): Promise<readonly string[]> {
    const { view, peers, logger } = this.context;
    const others = view.listOf(ask.partition).filter((nodeId) => nodeId !== view.selfId);
    return Promise.all(
      others.map(async (nodeId) => {
        try {
          return (await peers.call(nodeId, 'confirmFloor', ask, { timeoutMs: CONFIRM_TIMEOUT_MS })).root;
        } catch (error) {
          logger.debug?.(`Node ${nodeId} confirmed no floor: ${(error as Error).message}`);
          return NOT_NOW;
        }
      }),
    );
  }

  /** All nodes gave the root `agreed`. One that gave it before it started anew finds the floor by anti-entropy. */
  private async conclude(partition: number, floor: Version, agreed: string): Promise<string> {
    const own = this.confirmed.get(partition);
    if (own?.floor !== floor || own.root !== agreed) {
      return NOT_NOW;
    }
    await this.context.local.raiseFloor(partition, floor);
    return agreed;
  }

  private async rootUpTo(partition: number, floor: Version): Promise<string> {
    const { local } = this.context;
    this.confirmed.delete(partition);
    await local.raiseFence(partition, floor);
    const root = await this.digestUpTo(partition, floor);
    if (root !== NOT_NOW) {
      this.confirmed.set(partition, { floor, root });
    }
    return root;
  }

  /** The same for the same records in any order; tombstones up to the own floor are as good as gone. */
  private async digestUpTo(partition: number, floor: Version): Promise<string> {
    const { local } = this.context;
    const forgotten = local.floorOf(partition);
    const sum = Buffer.alloc(DIGEST_BYTES);
    let read = 0;
    for await (const header of local.getAllNoValue({ partition })) {
      const { tombstone, version } = header;
      if (version <= floor && !(tombstone && version <= forgotten)) {
        add(header, sum);
      }
      if (++read % CHUNK === 0) {
        await this.rate.take(CHUNK * HEADER_BYTES);
      }
      if (!this.schedule.running) {
        return NOT_NOW;
      }
    }
    return this.schedule.running ? sum.toString('hex') : NOT_NOW;
  }

  /** No version is ever stamped like this: boots are counted from 1. */
  private floorNow(): Version {
    const { clock, limits, view } = this.context;
    const physicalMs = Math.max(0, Math.floor(clock.now() - limits.tombstoneTtlMs));
    return formatVersion({ physicalMs, counter: 0, nodeId: view.selfId, boot: 0 });
  }

  private isOldEnough(floor: Version): boolean {
    const { clock, limits } = this.context;
    return physicalMsOf(floor) <= clock.now() - limits.tombstoneTtlMs + limits.maxClockOffsetMs;
  }
}

/** XOR of the records' hashes: their order does not matter, and none is in it twice. */
function add({ namespace, key, version, checksum }: RecordHeader, sum: Buffer): void {
  const hash = createHash('md5').update(`${namespace}\0${key}\0${version}\0${checksum}`).digest();
  for (let at = 0; at < DIGEST_BYTES; at++) {
    sum[at]! ^= hash[at]!;
  }
}
