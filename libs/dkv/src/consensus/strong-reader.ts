/** Linearizable reads: what a majority accepted last is returned; where none agrees, a round settles it first. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { majorityOf } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type KvRecord } from '../model/record.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { reachableQuorum } from '../cluster/reachable-quorum.js';
import { type RequestIds } from '../eventual/request-ids.js';
import { readOf } from './decision.js';
import { type Inspection } from './inspection.js';
import { type StrongRouter } from './strong-router.js';

/** A write under way is seen by some nodes a moment before others: looking again is cheaper than a round. */
const LOOKS = 2;
const PAUSE_MS = 2;

export class StrongReader {
  constructor(
    private readonly context: CoreContext,
    private readonly inspection: Inspection,
    private readonly router: StrongRouter,
    private readonly requestIds: RequestIds,
  ) {}

  /**
   * The record that the last write acknowledged before this read began left, or a later one; tombstones included.
   * Returning the highest that some node accepted would be wrong: it may never be decided.
   * @throws DkvError `DKV_QUORUM_NOT_REACHED`, `DKV_TIMEOUT`
   */
  async read(id: RecordId, deadline: Deadline): Promise<KvRecord | undefined> {
    const { random, view } = this.context;
    reachableQuorum(this.context, 'read', id, majorityOf(view.copiesOf(id.partition)));
    let cause: unknown;
    for (let look = 0; look < LOOKS && !deadline.over; look++) {
      const found = await this.inspection.agreement(id, deadline);
      if (found.agreed) {
        return found.agreed.record;
      }
      ({ cause } = found);
      await deadline.pause(PAUSE_MS * (0.5 + random.next()));
    }
    return this.round(id, deadline, cause);
  }

  private async round(id: RecordId, deadline: Deadline, cause: unknown): Promise<KvRecord | undefined> {
    if (deadline.over) {
      throw this.late(id, deadline, cause);
    }
    const operation = readOf(id, this.requestIds.next());
    try {
      return (await this.router.write(operation, deadline)).record;
    } catch (error) {
      throw isDkvError(error, 'DKV_INDETERMINATE', 'DKV_NOT_APPLIED')
        ? this.late(id, deadline, error)
        : error;
    }
  }

  private late({ key }: RecordId, { timeoutMs }: Deadline, cause: unknown): DkvError {
    return new DkvError('DKV_TIMEOUT', `Reading key ${JSON.stringify(key)} took over ${timeoutMs} ms.`, {
      cause,
    });
  }
}
