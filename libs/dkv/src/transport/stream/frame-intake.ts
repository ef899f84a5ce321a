/** What comes in on one connection, handed on in bounded portions: a burst must not hold up the event loop. */
import { FRAMES_PER_TURN } from './frame-layout.js';
import { type FrameReceiver } from './frame-receiver.js';
import { type Defer } from './frame-sender.js';

export interface IntakeActions {
  /** Nothing more should be read, until `read`. */
  pause(): void;
  read(): void;
  /** A message is not of the protocol, and nothing more of it is handed on. */
  broken(error: unknown): void;
}

/**
 * Each frame of a burst wakes somebody, all of whom would work in the turn in which it came, and timers and other
 * sockets wait for that. What is left of a burst comes in the next turn; nothing is read meanwhile, so it is bounded.
 */
export class FrameIntake {
  private behind = false;
  private ended = false;

  constructor(
    private readonly receiver: FrameReceiver,
    private readonly defer: Defer,
    private readonly actions: IntakeActions,
  ) {}

  /** Whether frames wait for the next turn. */
  get isBehind(): boolean {
    return this.behind;
  }

  receive(message: Buffer): void {
    if (this.ended) {
      return;
    }
    this.receiver.take(message);
    if (!this.behind) {
      this.proceed(FRAMES_PER_TURN);
    }
  }

  /** Hands on all that has come in, and nothing after. */
  drain(): void {
    this.proceed(Infinity);
    this.end();
  }

  /** Hands nothing more on. Whatever else may come is read, and dropped: the end of the connection as well. */
  end(): void {
    this.ended = true;
    this.notBehind();
  }

  private proceed(framesMax: number): void {
    if (this.ended) {
      return;
    }
    let isLeft: boolean;
    try {
      isLeft = this.receiver.handOn(framesMax);
    } catch (error) {
      this.ended = true;
      this.actions.broken(error);
      return;
    }
    if (isLeft && !this.behind) {
      this.behind = true;
      this.actions.pause();
    }
    if (isLeft) {
      this.defer(this.next);
    } else {
      this.notBehind();
    }
  }

  private notBehind(): void {
    if (this.behind) {
      this.behind = false;
      this.actions.read();
    }
  }

  private readonly next = (): void => this.proceed(FRAMES_PER_TURN);
}
