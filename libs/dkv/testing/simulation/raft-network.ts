/** Messages of a Raft group under way: in order, out of order, twice, and long after others. */
import { type MemberId, type RaftMessage } from '../../src/model/raft-messages.js';
import { type ModelMember } from './raft-model.js';
import { type SimRandom } from './sim-random.js';

export interface Sent {
  readonly from: ModelMember;
  readonly to: MemberId;
  readonly message: RaftMessage;
}

const SENT_MAX = 128;
const LATE_MAX = 12;
const LATE_ARRIVAL = 0.06;

export class RaftNetwork {
  private readonly sent: Sent[] = [];
  /** Will arrive long after what was sent behind them. */
  private readonly late: Sent[] = [];

  /** `disorder` is the share of messages that overtake others; a tenth of it comes very late. */
  constructor(
    private readonly random: SimRandom,
    private readonly disorder: number,
  ) {}

  get isBusy(): boolean {
    return this.sent.length > 0;
  }

  /** Gives what had to give way, if there is too much. */
  push(one: Sent): Sent | undefined {
    this.sent.push(one);
    return this.sent.length > SENT_MAX ? this.sent.shift() : undefined;
  }

  /** What arrives next; undefined when that was put off. With `isRepeated` it stays under way, too. */
  next(isRepeated: boolean): Sent | undefined {
    const { random, sent, late } = this;
    if (late.length > 0 && random.chance(LATE_ARRIVAL)) {
      return late.splice(random.int(late.length), 1)[0];
    }
    const place = random.chance(this.disorder) ? random.int(sent.length) : 0;
    const one = sent[place]!;
    if (!isRepeated) {
      sent.splice(place, 1);
    }
    if (late.length < LATE_MAX && random.chance(this.disorder / 10)) {
      late.push(one);
      return undefined;
    }
    return one;
  }

  /** Everything, the late first. */
  drain(): readonly Sent[] {
    return [...this.late.splice(0), ...this.sent.splice(0)];
  }
}
