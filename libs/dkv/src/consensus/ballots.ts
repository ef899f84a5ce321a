/** Ballots that a majority promised to this node for its next write of a key: they save that write its first half. */
import { LRUCache } from 'lru-cache';
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
  private readonly ballots: LRUCache<string, PromisedBallot>;

  constructor(bytesMax: number) {
    this.ballots = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: ({ accepted }, key) => ENTRY_BYTES + key.length + accepted.record.value.byteLength,
    });
  }

  take(key: string): PromisedBallot | undefined {
    const promised = this.ballots.get(key);
    this.ballots.delete(key);
    return promised;
  }

  keep(key: string, promised: PromisedBallot): void {
    this.ballots.set(key, promised);
  }
}
