/** One round of one proposer: counts promises, then votes, and says what they allow. Pure: answers in, verdicts out. */
import { type Accepted } from '../model/peer-protocol.js';
import { NO_VERSION, type Version } from '../model/version.js';
import { type Ballot, highest, type Promised, type Vote } from './rules.js';

/** `open`: wait for more answers; `lost`: no majority can come any more. */
export type PhaseState = 'open' | 'won' | 'lost';

/** The first half: a majority of promises tells what may have been decided before. */
export class PreparePhase {
  private readonly granted: (Accepted | undefined)[] = [];
  private missing: number;
  /** The highest ballot that stood in the way. */
  seen: Ballot = NO_VERSION;

  constructor(
    private readonly majority: number,
    asked: number,
  ) {
    this.missing = asked;
  }

  /** `answer` is undefined where none will come. */
  add(answer: Promised | undefined): void {
    this.missing--;
    if (answer?.granted) {
      this.granted.push(answer.accepted);
    }
    this.seen = highest(this.seen, answer?.seen, answer?.accepted?.ballot);
  }

  get state(): PhaseState {
    return stateOf(this.granted.length, this.missing, this.majority);
  }

  /** Of a won phase: what the next half must build on. */
  get latest(): Accepted | undefined {
    return this.granted.reduce<Accepted | undefined>(
      (best, accepted) => ((accepted?.ballot ?? NO_VERSION) > (best?.ballot ?? NO_VERSION) ? accepted : best),
      undefined,
    );
  }

  /** Whether all of the majority accepted the same ballot last (or nothing): it is decided already. */
  get unanimous(): boolean {
    const ballot: Version | undefined = this.granted[0]?.ballot;
    return this.granted.every((accepted) => accepted?.ballot === ballot);
  }
}

/** The second half: a majority of votes decides. */
export class AcceptPhase {
  private votes = 0;
  private missing: number;
  seen: Ballot = NO_VERSION;

  constructor(
    private readonly majority: number,
    asked: number,
  ) {
    this.missing = asked;
  }

  /** `answer` is undefined where none will come. */
  add(answer: Vote | undefined): void {
    this.missing--;
    if (answer?.accepted) {
      this.votes++;
    } else {
      this.seen = highest(this.seen, answer?.seen);
    }
  }

  get state(): PhaseState {
    return stateOf(this.votes, this.missing, this.majority);
  }
}

function stateOf(ayes: number, missing: number, majority: number): PhaseState {
  if (ayes >= majority) {
    return 'won';
  }
  return ayes + missing < majority ? 'lost' : 'open';
}
