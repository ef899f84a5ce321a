/** Ballots that a majority promised to this node for its next write of a key: they save that write its first half. */
import { OldestFirst } from '../model/oldest-first.js';
import { type Accepted } from '../model/peer-protocol.js';
import { type Ballot } from './rules.js';

export interface PromisedBallot {
  readonly next: Ballot;
  /** What the same majority accepted when it promised. */
  readonly accepted: Accepted;
}

/** What an entry takes beside its key and its value, about. */
const ENTRY_BYTES = 600;

/**
 * A ballot is taken out to be used and is put back by success alone: one ballot, one value. In memory only: after a
 * restart the first half is done again, under a boot number that no earlier ballot has.
 */
export class PromisedBallots {
  /** What is used is taken out, so the oldest is the one not used for longest. */
  private readonly ballots = new OldestFirst<PromisedBallot>();
  private bytes = 0;

  constructor(private readonly bytesMax: number) {}

  take(key: string): PromisedBallot | undefined {
    const promised = this.ballots.take(key);
    if (promised) {
      this.bytes -= bytesOf(key, promised);
    }
    return promised;
  }

  keep(key: string, promised: PromisedBallot): void {
    this.take(key);
    this.ballots.add(key, promised);
    this.bytes += bytesOf(key, promised);
    while (this.bytes > this.bytesMax) {
      this.take(this.ballots.oldest!.key);
    }
  }
}

function bytesOf(key: string, { accepted }: PromisedBallot): number {
  return ENTRY_BYTES + key.length + accepted.record.value.byteLength;
}
