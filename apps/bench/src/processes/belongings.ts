/** What a run started and made; all of it is stopped and removed, in reverse order, also when it fails half-way. */
import { type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The last resort: whatever still runs when the bench exits is killed. */
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export function killWithThisProcess(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

type End = () => void | Promise<void>;

export class Belongings {
  private readonly ends: End[] = [];
  private ending: Promise<void> | undefined;

  /** From now on `end` happens at the latest with this; at once when it is over already. */
  add(end: End): void {
    if (this.ending) {
      void end();
      throw new Error('The run was stopped.');
    }
    this.ends.push(end);
  }

  /** A part that can end before the whole. */
  part(): Belongings {
    const part = new Belongings();
    this.add(() => part.end());
    return part;
  }

  /** An empty folder; removed at the end with all that is in it. */
  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'dkv-bench-'));
    this.add(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  end(): Promise<void> {
    this.ending ??= this.endAll();
    return this.ending;
  }

  private async endAll(): Promise<void> {
    const errors: unknown[] = [];
    for (let end = this.ends.pop(); end; end = this.ends.pop()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) {
      throw new AggregateError(errors, `Stopping failed: ${errors.map(String).join('; ')}`);
    }
  }
}
