/** Writes that fail half-way: a limit on the size of files (RLIMIT_FSIZE) cuts them where a full disk would. */
import { execFileSync, spawnSync } from 'node:child_process';

/** Of this process alone; needs no rights, but Linux. Only the soft limit, which may be raised again. */
export class FileBytesLimit {
  static readonly isPossible = spawnSync('prlimit', ['--version']).status === 0;
  private readonly before = soft();

  set(bytes: number): void {
    limit(`${bytes}`);
  }

  lift(): void {
    limit(this.before);
  }
}

function soft(): string {
  const options = ['--pid', `${process.pid}`, '--fsize', '--output', 'SOFT', '--noheadings', '--raw'];
  return execFileSync('prlimit', options, { encoding: 'utf8' }).trim();
}

function limit(bytes: string): void {
  execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${bytes}:`]);
}
