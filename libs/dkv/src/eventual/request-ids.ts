/** Names the requests of this node: what tells an operation from every other, however often it is tried. */
import { createHash } from 'node:crypto';
import { keyedRequestId, nodeRequestId, type RequestId } from '../model/request-window.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';

const UNIQUE_MAX = 2 ** 48;

export class RequestIds {
  private unique: number;

  constructor(
    private readonly clock: Clock,
    random: Random,
  ) {
    this.unique = Math.floor(random.next() * UNIQUE_MAX);
  }

  /** Unique among the requests of all nodes made within this millisecond, but for a chance of 2^-48. */
  next(): RequestId {
    this.unique = (this.unique + 1) % UNIQUE_MAX;
    return nodeRequestId(this.clock.now(), this.unique);
  }

  /** Always the same for a caller's own key. */
  static ofKey(idempotencyKey: string): RequestId {
    return keyedRequestId(createHash('md5').update(idempotencyKey).digest('hex'));
  }
}
