/** Where what a node would log goes: a command says all that there is to say by itself. */
import { type Logger } from '../ports/logger.js';

export const QUIET: Logger = Object.freeze({
  log: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
});
