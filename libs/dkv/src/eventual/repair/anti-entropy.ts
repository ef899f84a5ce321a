/** Anti-entropy: compares hash trees with the other nodes of a partition and fetches what is newer there. */
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { forEachConcurrently } from './concurrently.js';
import { isTroubleWithPeer } from './peer-trouble.js';
import { idOf } from '../../model/key.js';
import { type PeerProtocol, ROOTS_MAX } from '../../model/peer-protocol.js';
import { type RecordHeader } from '../../model/record.js';
import { NO_VERSION, type Version } from '../../model/version.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { isOutside } from '../asked-in-time.js';
import { type Replica } from '../replica.js';
import { PeerSchedule } from './peer-schedule.js';
import { type RateLimit } from '../../cluster/rate-limit.js';

const HEADER_BYTES = 150;
const FETCHES_CONCURRENT = 8;
const PARTITIONS_CONCURRENT = 8;
const RETRY_PAUSE_MS = 500;

/**
 * Every node only pulls: what a peer lacks, that peer finds by itself, so memory stays bounded by one page and a
 * node that cannot write disturbs nobody. Equal trees cost one message for 64 partitions. Hash trees after
 * DeCandia et al., Dynamo (SOSP 2007), section 4.7.
 */
export class AntiEntropy {
  private readonly schedule: PeerSchedule;
  private readonly running = new Map<string, Promise<boolean>>();
  /** In the list of shared partitions, which is another one when the configuration is. */
  private readonly resumeAt = new Map<string, number>();

  constructor(
    private readonly context: CoreContext,
    private readonly replica: Replica,
    private readonly rate: RateLimit,
  ) {
    const { limits, random, view } = context;
    view.onConfiguration(() => this.resumeAt.clear());
    this.schedule = new PeerSchedule(context, {
      intervalMs: () => limits.antiEntropyIntervalMs * (0.8 + 0.4 * random.next()),
      peerUp: (nodeId) => void this.syncWith(nodeId),
      pass: (up) => {
        const partner = up[Math.floor(random.next() * up.length)];
        if (partner !== undefined) {
          void this.syncWith(partner);
        }
      },
    });
  }

  start(): void {
    this.schedule.start();
  }

  stop(): void {
    this.schedule.stop();
  }

  /** Fetches all that the peers hold newer, once it is known who they are. Gives a peer up only when it is down. */
  async catchUp(): Promise<void> {
    const { view, clock } = this.context;
    const pause = () => new Promise<void>((resolve) => clock.schedule(RETRY_PAUSE_MS, resolve));
    while (this.schedule.running && isOutside(this.context)) {
      await pause();
    }
    const catchUpWith = async (nodeId: string) => {
      while (this.schedule.running && view.stateOf(nodeId) !== 'down' && !(await this.syncWith(nodeId))) {
        await pause();
      }
    };
    await Promise.all(view.peers.map(({ nodeId }) => catchUpWith(nodeId)));
  }

  /** One pass over all partitions shared with a node; whether it went through. Never rejects. */
  syncWith(nodeId: string): Promise<boolean> {
    let pass = this.running.get(nodeId);
    if (!pass) {
      pass = this.pass(nodeId).finally(() => this.running.delete(nodeId));
      this.running.set(nodeId, pass);
    }
    return pass;
  }

  private async pass(nodeId: string): Promise<boolean> {
    const { view, logger } = this.context;
    const shared = view.ownPartitions().filter((partition) => view.holds(partition, nodeId));
    try {
      // Where the last pass broke off: starting over would never end with a peer that is slow.
      let from = this.resumeAt.get(nodeId) ?? 0;
      for (; from < shared.length && this.schedule.running; from += ROOTS_MAX) {
        this.resumeAt.set(nodeId, from);
        const unequal = await this.unequal(nodeId, shared.slice(from, from + ROOTS_MAX));
        await forEachConcurrently(unequal, PARTITIONS_CONCURRENT, async (partition) => {
          await this.compare(nodeId, partition);
        });
      }
      this.resumeAt.delete(nodeId);
      return this.schedule.running;
    } catch (error) {
      logger.debug?.(`Anti-entropy with node ${nodeId} waits: ${(error as Error).message}`);
      return false;
    }
  }

  private async unequal(nodeId: string, partitions: readonly number[]): Promise<readonly number[]> {
    const { peers, limits, local } = this.context;
    const { roots } = await peers.call(
      nodeId,
      'getRoots',
      { partitions },
      { timeoutMs: limits.peerTimeoutMs },
    );
    return partitions.filter((partition, index) => rootOf(local, partition) !== roots[index]);
  }

  /**
   * Fetches what the node has of a partition and this one lacks; whether this one lacks nothing of it any more.
   * @param sinceEpoch nothing is done where the node does not know that epoch yet
   * @throws DkvError of the way to the node
   */
  async compare(nodeId: string, partition: number, sinceEpoch = 0): Promise<boolean> {
    const { peers, limits, local } = this.context;
    const { digests, floor, epoch } = await peers.call(
      nodeId,
      'getTree',
      { partition },
      { timeoutMs: limits.peerTimeoutMs },
    );
    if (epoch < sinceEpoch) {
      return false;
    }
    const own = local.getTree(partition);
    let whole = this.schedule.running;
    for (let bucket = 0; bucket < own.length; bucket++) {
      if (own[bucket] !== digests[bucket]) {
        whole = (await this.pullBucket(nodeId, partition, bucket, floor)) && whole;
      }
    }
    if (whole) {
      await this.adopt(partition, floor);
    }
    return whole;
  }

  /**
   * Raises the own floor to a peer's, asked for before all that the peer held was fetched: what this node still lacks up
   * to it, every node has held and forgotten.
   */
  private async adopt(partition: number, floor: Version): Promise<void> {
    const { local, logger, versions } = this.context;
    if (floor <= local.floorOf(partition) || versions.isFarAhead(floor)) {
      return;
    }
    try {
      await local.raiseFloor(partition, floor);
    } catch (error) {
      if (isTroubleWithPeer(error)) {
        throw error;
      }
      logger.warn(`The floor of partition ${partition} was not raised: ${(error as Error).message}`);
    }
  }

  /** Whether all was taken that this node lacked. @param floor of the other node */
  private async pullBucket(
    nodeId: string,
    partition: number,
    bucket: number,
    floor: Version,
  ): Promise<boolean> {
    const { peers, limits, telemetry } = this.context;
    let whole = true;
    let after: { namespace: string; key: string } | undefined;
    for (let done = false; !done && this.schedule.running;) {
      const ask = { partition, bucket, after };
      const page = await peers.call(nodeId, 'getHeaders', ask, { timeoutMs: limits.peerTimeoutMs });
      const bytes = page.headers.length * HEADER_BYTES;
      telemetry.antiEntropyBytes('in', bytes);
      await this.rate.take(bytes);
      for (let from = 0; from < page.headers.length; from += FETCHES_CONCURRENT) {
        const some = page.headers.slice(from, from + FETCHES_CONCURRENT);
        const taken = await Promise.all(some.map((header) => this.pullOrSkip(nodeId, partition, header)));
        whole &&= taken.every(Boolean);
      }
      const last = page.headers.at(-1);
      done = page.done || !last;
      await this.forget(ask, page.headers, done ? undefined : last, floor);
      after = last && { namespace: last.namespace, key: last.key };
    }
    return whole && this.schedule.running;
  }

  /**
   * A node that the partition is on its way to may have had it before, and have old records of it: those that the nodes of the
   * list have held and forgotten since it must not have either.
   */
  private async forget(
    { partition, bucket, after }: PeerProtocol['getHeaders']['ask'],
    theirs: readonly RecordHeader[],
    last: RecordHeader | undefined,
    floor: Version,
  ): Promise<void> {
    const { local, view } = this.context;
    if (floor === NO_VERSION || view.holds(partition) || view.sinceOf(partition) === 0) {
      return;
    }
    const known = new Set(theirs.map(idOf));
    const forgotten: RecordHeader[] = [];
    for await (const own of local.getAllNoValue({ partition, bucket, ...(after && { after }) })) {
      if (last && isBehind(own, last)) {
        break;
      }
      if (own.version <= floor && !known.has(idOf(own))) {
        forgotten.push(own);
      }
    }
    for (const { namespace, key, version } of forgotten) {
      await local.erase({ partition, namespace, key }, version);
    }
  }

  /** A record that cannot be taken (damaged there, from the future) must not keep the others away. */
  private async pullOrSkip(nodeId: string, partition: number, theirs: RecordHeader): Promise<boolean> {
    try {
      return await this.pull(nodeId, partition, theirs);
    } catch (error) {
      if (isTroubleWithPeer(error)) {
        throw error;
      }
      this.context.logger.warn(`Anti-entropy with node ${nodeId} skipped a key: ${(error as Error).message}`);
      return false;
    }
  }

  private async pull(nodeId: string, partition: number, theirs: RecordHeader): Promise<boolean> {
    const { local, peers, limits, namespaces, telemetry } = this.context;
    const namespace = namespaces.find(theirs.namespace);
    if (!namespace) {
      // Of a namespace that this node was not told of yet: it fetches it when it is.
      return false;
    }
    const { newestWins } = namespace.merger;
    const id = { partition, namespace: theirs.namespace, key: theirs.key };
    const own = await local.getNoValue(id);
    const same = own?.version === theirs.version && own.checksum === theirs.checksum;
    // A tombstone that this node has forgotten already, as every node may.
    const forgotten = !own && theirs.version <= local.floorOf(partition);
    if (same || forgotten || (own && newestWins && own.version > theirs.version)) {
      return true;
    }
    // Paid for before it is fetched: what is stored must not be older than it has to be.
    await this.rate.take(HEADER_BYTES);
    const { record } = await peers.call(nodeId, 'get', { id }, { timeoutMs: limits.peerTimeoutMs });
    if (record) {
      telemetry.antiEntropyBytes('in', record.value.length);
      await this.replica.join(partition, record);
      await this.rate.take(record.value.length);
    }
    return true;
  }
}

/** In the order of storage, which is that of bytes. */
function isBehind(one: RecordHeader, other: RecordHeader): boolean {
  return Buffer.compare(Buffer.from(idOf(one)), Buffer.from(idOf(other))) > 0;
}

/** One digest for all that copies of a partition must have in common: their buckets, and the floor. */
export function rootOf(local: Pick<LocalKvRepo, 'getTree' | 'floorOf'>, partition: number): string {
  return hash('md5', local.getTree(partition).join('') + local.floorOf(partition), 'hex');
}
