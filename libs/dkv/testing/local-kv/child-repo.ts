/** A repository in a process of its own, for tests of locks and of kill -9. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type StoreIdentity } from '../../src/ports/local-kv-repo.js';

const SCRIPT = fileURLToPath(new URL('./repo-child.mjs', import.meta.url));

export interface ChildRepoOptions {
  readonly storage: string;
  readonly dataDir: string;
  readonly durability: string;
  readonly identity: StoreIdentity;
  /** It writes until it is killed, with versions from this one on; without it, it only holds the folder. */
  readonly first?: number;
}

export class ChildRepo {
  /** What it said, whole lines only, until it was killed. */
  readonly lines: string[] = [];
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;
  private waiting: { count: number; resolve: () => void } | undefined;

  constructor(options: ChildRepoOptions) {
    this.child = spawn(process.execPath, [SCRIPT, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: this.child.stdout! });
    lines.on('line', (line) => {
      this.lines.push(line);
      this.notify(this.lines.length);
    });
    this.closed = Promise.all([once(lines, 'close'), once(this.child, 'close')]).then(() =>
      this.notify(Infinity),
    );
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves when it has said `count` lines, or ended. */
  async said(count: number): Promise<void> {
    if (this.lines.length < count && this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise<void>((resolve) => (this.waiting = { count, resolve }));
    }
  }

  /** SIGKILL; resolves when it is gone and all that it said is read. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }

  private notify(count: number): void {
    if (this.waiting && count >= this.waiting.count) {
      this.waiting.resolve();
      this.waiting = undefined;
    }
  }
}
