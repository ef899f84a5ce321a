/** Knows the nodes by their disks: one that comes back with another has forgotten what it promised. */
import { type Logger } from '../ports/logger.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Random } from '../ports/random.js';

const OWN_META = 'disk';
const SEEN_META = 'disks';

/** 12 hex digits, drawn when the data folder is made. */
export type DiskId = string;

/**
 * A vote in a round counts because the voter remembers it. A node whose data folder was lost, and came back empty under
 * the same name, must never be taken for the voter it was: here is remembered, durably, with which disk each node was
 * first met.
 */
export class Disks {
  private readonly replaced = new Set<string>();

  private constructor(
    readonly own: DiskId,
    private readonly seen: Map<string, DiskId>,
    private readonly local: Pick<LocalKvRepo, 'putMeta'>,
    private readonly logger: Logger,
  ) {}

  /** Names the disk at its first start. */
  static async open(
    local: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>,
    random: Random,
    logger: Logger,
  ): Promise<Disks> {
    let own = await local.getMeta(OWN_META);
    if (own === undefined) {
      own = Math.floor(random.next() * 2 ** 48)
        .toString(16)
        .padStart(12, '0');
      await local.putMeta(OWN_META, own);
    }
    const seen = JSON.parse((await local.getMeta(SEEN_META)) ?? '[]') as [string, DiskId][];
    return new Disks(own, new Map(seen), local, logger);
  }

  /** A member has spoken, from this disk. */
  meet(nodeId: string, disk: DiskId): void {
    const known = this.seen.get(nodeId);
    if (known === undefined) {
      this.seen.set(nodeId, disk);
      this.local
        .putMeta(SEEN_META, JSON.stringify([...this.seen]))
        .catch((error: Error) =>
          this.logger.warn(`The disk of node ${nodeId} was not noted: ${error.message}`),
        );
    } else if (known !== disk && !this.replaced.has(nodeId)) {
      this.replaced.add(nodeId);
      this.logger.error(
        `Node ${nodeId} has come back with another data folder than it had: it does not remember what it promised, so ` +
          'it takes no part in the rounds of strong keys any more. Give it its old folder back if there is one.',
      );
    } else if (known === disk) {
      this.replaced.delete(nodeId);
    }
  }

  isReplaced(nodeId: string): boolean {
    return this.replaced.size > 0 && this.replaced.has(nodeId);
  }
}
