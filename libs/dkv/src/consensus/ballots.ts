/** Ballots that a majority promised to this node for its next write of a key: they save that write its first half. */
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
 * What is left when it was full: the oldest key of a Map is found past all that were deleted before it, which must not
 * be for each write.
 */
const LEFT_SHARE = 7 / 8;

/**
 * A ballot is taken out to be used and is put back by success alone: one ballot, one value. In memory only: after a
 * restart the first half is done again, under a boot number that no earlier ballot has.
 */
export class PromisedBallots {
  /** The one kept longest ago first: what is used is taken out, so that is the one not used for longest. */
  private readonly ballots = new Map<string, PromisedBallot>();
  private bytes = 0;

  constructor(private readonly bytesMax: number) {}

  take(key: string): PromisedBallot | undefined {
    const promised = this.ballots.get(key);
    if (promised) {
      this.ballots.delete(key);
      this.bytes -= bytesOf(key, promised);
    }
    return promised;
  }

  keep(key: string, promised: PromisedBallot): void {
    this.take(key);
    this.ballots.set(key, promised);
    this.bytes += bytesOf(key, promised);
    if (this.bytes > this.bytesMax) {
      this.makeRoom();
    }
  }

  private makeRoom(): void {
    for (const oldest of this.ballots.keys()) {
      this.take(oldest);
      if (this.bytes <= LEFT_SHARE * this.bytesMax) {
        return;
      }
    }
  }
}

function bytesOf(key: string, { accepted }: PromisedBallot): number {
  return ENTRY_BYTES + key.length + accepted.record.value.byteLength;
}
