/** What is asked before something that cannot be undone. */
import { type Terminal } from './terminal.js';

/** Whether it is to be done; where nobody can be asked, it is not, and the error output says what to give. */
export async function isAgreed(terminal: Terminal, question: string): Promise<boolean> {
  const { ask } = terminal;
  if (!ask) {
    terminal.error('Nobody can be asked here: give --yes to do it.\n');
    return false;
  }
  return /^y(es)?$/i.test((await ask(`${question} Type yes to go on: `)).trim());
}
