/** The end of a command that cannot go on: a message for who typed it, and what the shell is told. */
import { type ExitCode } from './exit-codes.js';

export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';

  constructor(
    readonly exitCode: ExitCode,
    /** What happened, to what, and what to do. */
    message: string,
  ) {
    super(message);
  }
}
