/** A server of theirs as a process: on loopback, its files in a folder of the run, ended by its own process id. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection } from '../load/store.js';
import { type Belongings, killWithThisProcess } from '../processes/belongings.js';
import { NotThereError } from '../processes/not-there-error.js';
import { type ProcessUsage } from '../processes/window.js';

const START_MS = 30_000;
const POLL_MS = 50;

/** A store of theirs in one way of running it. */
export interface Peer {
  /** The servers, ready; where one is primary, it is the first. @throws Error that says what is missing */
  start(belongings: Belongings): Promise<readonly ServerProcess[]>;
  /** @param ports of the servers, in that order */
  connect(ports: readonly number[]): Promise<Connection>;
}

export class ServerProcess {
  private constructor(
    readonly command: string,
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  /** @param port where its clients connect @throws NotThereError */
  static async start(
    command: string,
    args: readonly string[],
    port: number,
    belongings: Belongings,
  ): Promise<ServerProcess> {
    // A group of its own: Ctrl-C would stop it before those that call it.
    const child = spawn(command, args, { stdio: 'ignore', detached: true });
    killWithThisProcess(child);
    try {
      await once(child, 'spawn');
    } catch (cause) {
      throw new NotThereError(command, cause);
    }
    const server = new ServerProcess(command, port, child);
    belongings.add(() => server.stop());
    return server;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Since it began, in ticks of 10 ms; undefined where there is no /proc. */
  usage(): ProcessUsage | undefined {
    try {
      const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
      // proc(5): fields 14 and 15 are user and system time; the name before them may hold blanks.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const ticks = Number(fields[11]) + Number(fields[12]);
      const rssKb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
      return { cpuUs: (ticks * 1e6) / ticksPerSecond(), rssBytes: Number(rssKb ?? 0) * 1024 };
    } catch {
      return undefined;
    }
  }

  /** Resolves when `holds`, which may fail as long as the server is not up. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endsMs = performance.now() + START_MS;
    while (!(await holds().catch(() => false))) {
      if (this.isGone || performance.now() > endsMs) {
        throw new Error(
          `${this.command} on port ${this.port} did not come to this in ${START_MS} ms: ${what}.`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  private get isGone(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  private async stop(): Promise<void> {
    if (!this.isGone) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await exited;
    }
  }
}

let ticks: number | undefined;

function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticks;
}
