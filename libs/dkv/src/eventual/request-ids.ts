/** Names the requests of this node: what tells an operation from every other, however often it is tried. */
import { formatRequestId, type RequestId } from '../model/request-id.js';
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
    return formatRequestId(this.clock.now(), this.unique);
  }
}
