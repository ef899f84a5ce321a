/** A process of ours that is asked for tasks over its channel. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Belongings, killWithThisProcess } from './belongings.js';
import { type Answer, type Question, type Task, type Tasks } from './tasks.js';

/** A store that does not close in this time is ended by force. */
const STOP_MS = 10_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Worker {
  private readonly waiting = new Map<number, Waiting>();
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;
  private nextId = 1;
  private onWritten: (count: number) => void = () => undefined;
  readonly ready: Promise<void>;

  /** @param script relative to the bench's root, without its extension */
  constructor(
    readonly name: string,
    script: string,
    settings: object,
    belongings: Belongings,
  ) {
    const file = fileURLToPath(new URL(`../${script}.js`, import.meta.url));
    this.child = fork(file, [JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.exited = once(this.child, 'exit');
    killWithThisProcess(this.child);
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (answer: Answer) => {
        if (answer.kind === 'ready') {
          resolve();
        } else {
          this.take(answer);
        }
      });
      this.child.once('exit', (code, signal) => {
        const error = new Error(`${name} ended (${signal ?? `code ${code}`}).`);
        reject(error);
        this.waiting.forEach((waiting) => waiting.reject(error));
      });
      this.child.once('error', reject);
    });
    // Whoever waits for it gets the error; nobody may be waiting when the run is stopped.
    this.ready.catch(() => undefined);
    belongings.add(() => this.stop());
  }

  async ask<T extends Task>(
    task: T,
    plan: Tasks[T][0],
    onWritten: (count: number) => void = () => undefined,
  ): Promise<Tasks[T][1]> {
    await this.ready;
    this.onWritten = onWritten;
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve, reject });
      this.send({ id, task, plan });
    });
  }

  /** Stops the process and waits until it is gone. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      return;
    }
    const force = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    if (this.child.connected) {
      this.send({ task: 'stop' });
    }
    await this.exited;
    clearTimeout(force);
  }

  /** As `kill -9` does. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private send(question: Question): void {
    // A channel that broke has an exit to tell of it.
    this.child.send(question, () => undefined);
  }

  private take(answer: Exclude<Answer, { kind: 'ready' }>): void {
    if (answer.kind === 'written') {
      this.onWritten(answer.count);
      return;
    }
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.kind === 'done') {
      waiting?.resolve(answer.result);
    } else {
      waiting?.reject(new Error(`${this.name}: ${answer.message}`));
    }
  }
}
