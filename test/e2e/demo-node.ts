/** One real process of the built demo, in the hands of a test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { DemoClient } from './demo-client.js';
import { until } from './until.js';

/** Made by `bundled-demo.ts`. */
export const DEMO_MAIN = fileURLToPath(new URL('../../apps/demo/dist/bundle/main.js', import.meta.url));

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface DemoNodeSettings {
  readonly id: string;
  readonly port: number;
  readonly peerPort: number;
  readonly dataDir: string;
  /** Variables of the process beside those that follow from the above. */
  readonly env: Readonly<Record<string, string>>;
  /** The Node binary. Default: the one that runs the tests. */
  readonly node?: string;
  /** How many files and sockets the process may open. Default: as many as the tests. */
  readonly descriptorsMax?: number;
}

export interface StartOptions {
  /** How long it may take. Default: as long as {@link until} waits. */
  readonly withinMs?: number;
  /** Variables of this start alone. */
  readonly env?: Readonly<Record<string, string>>;
}

export class DemoNode {
  readonly http: DemoClient;
  /** The port that nodes ask each other on. */
  readonly peerHttp: DemoClient;
  private child: ChildProcess | undefined;
  private ending: Promise<Ending> | undefined;
  private written = '';
  private starts = 0;

  constructor(private readonly settings: DemoNodeSettings) {
    this.http = new DemoClient(settings.port);
    this.peerHttp = new DemoClient(settings.peerPort);
  }

  get id(): string {
    return this.settings.id;
  }

  /** Which process run of which node: changes at every start. */
  get incarnation(): string {
    return `${this.id}#${this.starts}`;
  }

  get port(): number {
    return this.settings.port;
  }

  get peerPort(): number {
    return this.settings.peerPort;
  }

  get dataDir(): string {
    return this.settings.dataDir;
  }

  /** All that the process wrote, over all of its starts. */
  get log(): string {
    return this.written;
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /**
   * Starts the process; resolves when it is ready.
   * @throws Error with its log when it ends instead, and when it takes longer than `withinMs`.
   */
  async start({ withinMs, env }: StartOptions = {}): Promise<void> {
    this.launch(env);
    await this.ready(withinMs);
  }

  /** Resolves when the process is ready. @throws Error with its log when it ends instead. */
  async ready(withinMs?: number): Promise<void> {
    await until(
      `${this.id} to be ready`,
      async () => !this.running || (await this.http.send('GET', '/health/ready')).status === 200,
      withinMs,
    );
    if (!this.running) {
      throw new Error(`${this.id} ended at its start:\n${this.log}`);
    }
  }

  /** Starts the process and waits for nothing. `ownEnv`: variables of this start alone. */
  launch(ownEnv: Readonly<Record<string, string>> = {}): void {
    if (this.running) {
      throw new Error(`${this.id} runs already.`);
    }
    const { id, port, peerPort, dataDir, env, node = process.execPath, descriptorsMax } = this.settings;
    const own = {
      DKV_NODE_ID: id,
      PORT: String(port),
      DKV_PEER_PORT: String(peerPort),
      DKV_DATA_DIR: dataDir,
    };
    // Nothing of the test runner's environment; the channel ends the process with the runner, however that ends.
    const [command, args] =
      descriptorsMax === undefined
        ? [node, [DEMO_MAIN]]
        : ['sh', ['-c', `ulimit -n ${descriptorsMax}; exec "$0" "$1"`, node, DEMO_MAIN]];
    const child = spawn(command, args, {
      env: { PATH: process.env.PATH, HOST: '127.0.0.1', ...own, ...env, ...ownEnv },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const keep = (chunk: Buffer) => {
      this.written += chunk.toString();
    };
    child.stdout!.on('data', keep);
    child.stderr!.on('data', keep);
    this.child = child;
    this.starts++;
    this.ending = endingOf(child);
  }

  /** How the process ends, once it does. */
  ended(): Promise<Ending> {
    return this.ending ?? Promise.reject(new Error(`${this.id} was never started.`));
  }

  /** Asks the process to stop, as an operator does, and waits for it. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<Ending> {
    this.child?.kill(signal);
    this.resume();
    return this.ended();
  }

  async kill9(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.ended();
  }

  /** Closes the channel to the process, as the end of this process would. */
  abandon(): void {
    this.child?.disconnect();
  }

  /** Freezes the process: its connections stay, its answers do not come. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  /** The states of all nodes as this one sees them. */
  async view(): Promise<Record<string, string>> {
    const { body } = await this.http.send('GET', '/cluster');
    return Object.fromEntries((body.nodes ?? []).map(({ nodeId, state }) => [nodeId, state]));
  }

  async sees(other: DemoNode, state: 'up' | 'down'): Promise<void> {
    await until(
      `${this.id} to see ${other.id} ${state}`,
      async () => (await this.view())[other.id] === state,
    );
  }
}

/** Rejects when the process cannot be started. By the end, everything that it wrote has come. */
async function endingOf(child: ChildProcess): Promise<Ending> {
  const exit = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  // Not the event 'close': it does not come once this side has closed the channel.
  const [ending] = await Promise.all([exit, finished(child.stdout!), finished(child.stderr!)]);
  return ending;
}
