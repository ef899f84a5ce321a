/** The room on the disk of a log: a reserve is held back, given up where the disk is full, and made anew. */
import { type Logger } from '../../ports/logger.js';
import { hasFullCode } from '../storage-error.js';
import { messageOf, passes } from './log-errors.js';
import { type ReserveFile } from './reserve-file.js';

export interface DiskRoomParts {
  readonly reserve: ReserveFile;
  /** The folder, for messages. */
  readonly where: string;
  readonly logger: Logger;
  readonly isClosed: () => boolean;
  /** The log takes no appends any more. */
  readonly refuse: (error: unknown) => void;
  /** Looks whether it takes them again. */
  readonly probe: () => Promise<void>;
}

export class DiskRoom {
  /** The disk was full, and the reserve is not there again: appends take of the room that it had. */
  isFull = false;
  /** The reserve was given up, and no append was tried since. */
  isGiven = false;
  /** Attempts to make the reserve, and to give it up, that are under way. */
  private making = 0;
  private givingUp = 0;

  constructor(private readonly parts: DiskRoomParts) {}

  /** At the start. Without room for it the node comes up nevertheless: to read, and to remove in what room there is. */
  hold(): void {
    this.make().catch((error: unknown) => {
      if (hasFullCode(error)) {
        this.warn('Nothing is held back for a full disk', error);
        this.noteFull();
      } else {
        this.parts.refuse(error);
      }
    });
  }

  /** The disk is full, as an append or a checkpoint found: the reserve goes, and appends go on in its room. */
  noteFull(): void {
    this.isFull = true;
    const { reserve, where, logger, probe } = this.parts;
    // It may be that half a reserve took the last of the room.
    const wasMaking = this.making > 0;
    this.givingUp++;
    reserve
      .giveUp()
      .finally(() => this.givingUp--)
      .then(
        async (wasMade) => {
          if (wasMade) {
            logger.warn(
              `The disk of ${where} is full: a reserve of ${reserve.bytes} bytes is given up for removes and ` +
                'checkpoints. This node takes no other writes until there is room for it again; what other nodes commit ' +
                'is still written here, as far as the room goes.',
            );
          }
          if (wasMade || wasMaking) {
            this.isGiven = true;
            await probe();
          }
        },
        (error: unknown) => this.warn('The reserve file stays', error),
      );
  }

  /** Beside appends, which need not wait for a reserve that is long to write. */
  async look(): Promise<void> {
    if (!this.isFull || this.making > 0) {
      return;
    }
    // From here on appends tell whether there is room.
    this.isGiven = false;
    try {
      await this.make();
    } catch (error) {
      if (!passes(error)) {
        this.parts.refuse(error);
      }
    }
  }

  /** Makes the reserve, unless it is there. @throws what the files throw */
  async make(): Promise<void> {
    const { reserve, where, logger, isClosed } = this.parts;
    this.making++;
    try {
      await reserve.make();
    } finally {
      this.making--;
    }
    // An append may have found no room meanwhile: then it goes at once.
    if (this.isFull && this.givingUp === 0 && !isClosed()) {
      this.isFull = false;
      logger.log(`The disk of ${where} has room again, and a reserve.`);
    }
  }

  private warn(what: string, error: unknown): void {
    this.parts.logger.warn(`${what} in ${this.parts.where}: ${messageOf(error)}`);
  }
}
