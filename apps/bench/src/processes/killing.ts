/** The last resort: whatever still runs when the bench exits is killed. */
import { type ChildProcess } from 'node:child_process';

const running = new Set<ChildProcess>();

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export function killWithThisProcess(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}
