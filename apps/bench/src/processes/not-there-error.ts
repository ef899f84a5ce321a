/** A command of others that a side of the comparison needs, and that this machine does not have. */
export class NotThereError extends Error {
  constructor(command: string, cause: unknown) {
    super(`${command} is not there: as root on Debian the bench installs it, else do so.`, { cause });
  }
}
