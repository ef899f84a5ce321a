/** Gives a logger of an application lines alone, whatever is in the messages. */
import { oneLine } from '../model/one-line.js';
import { type Logger } from './logger.js';

export function oneLineLogger(logger: Logger): Logger {
  return {
    log: (message) => logger.log(oneLine(message)),
    warn: (message) => logger.warn(oneLine(message)),
    error: (message) => logger.error(oneLine(message)),
    ...(logger.debug && { debug: (message: string) => logger.debug!(oneLine(message)) }),
  };
}
