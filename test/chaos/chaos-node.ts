/** One real process of the demo under attack: started, killed, stopped and woken, asked as its clients ask it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../e2e/until.js';
import { type Target } from './client-desk.js';
import { HttpCaller, type Reply, type RequestParts } from './http-caller.js';

const DEMO_MAIN = fileURLToPath(new URL('../../apps/demo/dist/main.js', import.meta.url));
const LOG_CHARACTERS_MAX = 200_000;
const STOP_GRACE_MS = 20_000;

export interface ChaosNodeSettings {
  readonly id: string;
  /** Where its clients reach it. */
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** A command that runs the one behind it, as `ip netns exec name`. */
  readonly wrapper?: readonly string[];
}

export class ChaosNode implements Target {
  private readonly caller: HttpCaller;
  private child: ChildProcess | undefined;
  private exit: Promise<unknown> = Promise.resolve();
  private starts = 0;
  private written = '';
  /** Somebody here ended it. */
  private expectedToEnd = true;

  constructor(private readonly settings: ChaosNodeSettings) {
    this.caller = new HttpCaller(settings.host, settings.port);
  }

  get id(): string {
    return this.settings.id;
  }

  get dataDir(): string {
    return this.settings.dataDir;
  }

  get incarnation(): string {
    return `${this.id}#${this.starts}`;
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** It ended and nobody here did it. */
  get crashed(): boolean {
    return !this.running && !this.expectedToEnd;
  }

  /** The end of what the process wrote, over all of its starts. */
  get log(): string {
    return this.written;
  }

  send(method: string, path: string, parts?: RequestParts): Promise<Reply> {
    return this.caller.send(method, path, parts);
  }

  launch(): void {
    const { id, port, dataDir, env, wrapper = [] } = this.settings;
    const [command = '', ...args] = [...wrapper, process.execPath, DEMO_MAIN];
    const own = { DKV_NODE_ID: id, PORT: String(port), DKV_DATA_DIR: dataDir };
    // The channel ends the process with this one, however that ends.
    const child = spawn(command, args, {
      env: { PATH: process.env.PATH, ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const keep = (chunk: Buffer) => {
      this.written = (this.written + chunk.toString()).slice(-LOG_CHARACTERS_MAX);
    };
    child.stdout!.on('data', keep);
    child.stderr!.on('data', keep);
    child.once('error', (error) => keep(Buffer.from(`${String(error)}\n`)));
    this.exit = once(child, 'exit');
    this.child = child;
    this.starts++;
    this.expectedToEnd = false;
  }

  async ready(withinMs?: number): Promise<void> {
    await until(
      `${this.id} to be ready`,
      async () => {
        if (!this.running) {
          return true;
        }
        return (await this.health()) === 200;
      },
      withinMs,
    );
    if (!this.running) {
      throw new Error(`${this.id} ended at its start:\n${this.log.slice(-4_000)}`);
    }
  }

  /** The status of its readiness, 0 when it does not answer. */
  async health(): Promise<number> {
    const reply = await this.send('GET', '/health/ready', { timeoutMs: 2_000 });
    return reply.kind === 'answer' ? reply.status : 0;
  }

  async kill9(): Promise<void> {
    this.expectedToEnd = true;
    if (this.running) {
      this.child?.kill('SIGKILL');
      await this.exit;
    }
  }

  /** Asks it to stop; kills it when it does not. Whether it stopped by itself. */
  async stop(): Promise<boolean> {
    this.expectedToEnd = true;
    if (!this.running) {
      return true;
    }
    this.child?.kill('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, STOP_GRACE_MS, 'late')));
    const ended = await Promise.race([this.exit, late]);
    clearTimeout(timer);
    if (ended === 'late') {
      await this.kill9();
    }
    return ended !== 'late';
  }

  /** Freezes it: its connections stay, its answers do not come. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  close(): void {
    this.caller.close();
  }
}
