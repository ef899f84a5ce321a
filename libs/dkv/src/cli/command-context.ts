/** What every command of `dkv` is given. */
import { type Clock } from '../ports/clock.js';
import { type ExitCode } from './exit-codes.js';
import { type Terminal } from './terminal.js';

export interface CommandContext {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** What the shell is told at the end; without it, that all was done. */
  exitWith(code: ExitCode): void;
}
