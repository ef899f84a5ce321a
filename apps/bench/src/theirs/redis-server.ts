/** Runs redis-server as a process, on loopback, with its files in a folder of the run. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Belongings } from '../processes/belongings.js';
import { freePorts } from '../processes/free-port.js';
import { killWithThisProcess } from '../processes/killing.js';
import { type ProcessUsage } from '../processes/tasks.js';

const START_MS = 15_000;
const POLL_MS = 20;
const IN_MEMORY = ['--save', '', '--appendonly', 'no'];
const EVERY_WRITE_SYNCED = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];

/** What the user can do about it stands in its message. */
export class RedisMissingError extends Error {
  constructor() {
    super(
      'redis-server is not on the PATH, and the bench compares with it. Install it (apt-get install redis-server, ' +
        'brew install redis), or measure our side alone: --ours-only.',
    );
  }
}

/** The version of the redis-server on the PATH. @throws RedisMissingError when there is none. */
export function redisVersion(): string {
  try {
    const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
    return /v=(\S+)/.exec(text)?.[1] ?? text.trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new RedisMissingError();
    }
    throw error;
  }
}

export class RedisServer {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  static inMemory(belongings: Belongings): Promise<RedisServer> {
    return RedisServer.start(IN_MEMORY, belongings);
  }

  static syncingEveryWrite(belongings: Belongings): Promise<RedisServer> {
    return RedisServer.start(EVERY_WRITE_SYNCED, belongings);
  }

  /** A primary and its replicas, all in memory; resolves when the replicas follow. */
  static async replicated(replicas: number, belongings: Belongings): Promise<readonly RedisServer[]> {
    const primary = await RedisServer.start([...IN_MEMORY, '--repl-diskless-sync-delay', '0'], belongings);
    const of = ['--replicaof', '127.0.0.1', String(primary.port)];
    const followers = await Promise.all(
      Array.from({ length: replicas }, () => RedisServer.start([...IN_MEMORY, ...of], belongings)),
    );
    await primary.until(`has ${replicas} replicas`, async (redis) => {
      const online = (await redis.info('replication')).match(/state=online/g) ?? [];
      return online.length === replicas;
    });
    return [primary, ...followers];
  }

  private static async start(settings: readonly string[], belongings: Belongings): Promise<RedisServer> {
    const [port] = await freePorts(1);
    const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', belongings.folder()];
    // A group of its own: Ctrl-C would stop it before those that call it.
    const child = spawn('redis-server', [...place, ...settings], { stdio: 'ignore', detached: true });
    killWithThisProcess(child);
    await once(child, 'spawn');
    const server = new RedisServer(port!, child);
    belongings.add(() => server.stop());
    await server.until('answers', async (redis) => (await redis.ping()) === 'PONG');
    return server;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Of the whole process; undefined where there is no /proc. */
  usage(): ProcessUsage | undefined {
    try {
      const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
      // proc(5): fields 14 and 15 are user and system time; the name before them may hold blanks.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const ticks = Number(fields[11]) + Number(fields[12]);
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      const rssKb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
      return { cpuUs: (ticks * 1e6) / ticksPerSecond(), rssBytes: rssKb * 1024 };
    } catch {
      return undefined;
    }
  }

  private async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await exited;
    }
  }

  private async until(what: string, holds: (redis: Redis) => Promise<boolean>): Promise<void> {
    const redis = new Redis({ host: '127.0.0.1', port: this.port, retryStrategy: () => POLL_MS });
    redis.on('error', () => undefined);
    const deadline = performance.now() + START_MS;
    try {
      while (!(await holds(redis).catch(() => false))) {
        if (performance.now() > deadline || this.child.exitCode !== null) {
          throw new Error(
            `It did not happen in ${START_MS} ms that redis-server on port ${this.port} ${what}.`,
          );
        }
        await sleep(POLL_MS);
      }
    } finally {
      redis.disconnect();
    }
  }
}

let ticks: number | undefined;

function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticks;
}
