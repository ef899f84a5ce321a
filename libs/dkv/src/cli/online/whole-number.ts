/** Numbers as they are typed. */
import { CommandFailure } from '../command-failure.js';
import { EXIT } from '../exit-codes.js';

/** `name`: of the option or argument, for the message. @throws CommandFailure `usage` */
export function wholeNumberOf(
  name: string,
  text: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least && number <= most)) {
    throw new CommandFailure(
      EXIT.usage,
      `${name} is '${text}': give a whole number from ${least} to ${most}.`,
    );
  }
  return number;
}
