/** Plays with the store as an application would: random reads and writes at a steady rate. */
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Dkv, InjectDkv, isDkvError } from 'nestjs-dkv';
import { randomInt, randomUUID } from 'node:crypto';
import { Environment } from '../environment.js';

interface MonkeyValue {
  readonly foo: string;
  readonly bar: string;
}

const KEYS = 1_000_000;
const TICK_MS = 50;
/** When answers do not come, the monkey waits instead of piling up more. */
const IN_FLIGHT_MAX = 256;
/** At the start of a cluster the first node is alone for a while; a node that never comes is not waited for. */
const PATIENCE_MS = 5_000;
const REPORT_EVERY_MS = 10_000;

@Injectable()
export class MonkeyService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Monkey');
  private timer: NodeJS.Timeout | undefined;
  private readonly underWay = new Set<Promise<void>>();
  /** Operations that are due, in fractions. */
  private due = 0;
  private lastTickMs = 0;
  private failures = 0;
  private reportedMs = -Infinity;

  constructor(
    @InjectDkv() private readonly dkv: Dkv<MonkeyValue>,
    private readonly environment: Environment,
  ) {}

  onApplicationBootstrap(): void {
    const { MONKEY_RATE: rate } = this.environment;
    if (rate === 0) {
      return;
    }
    const patienceEndsMs = performance.now() + PATIENCE_MS;
    this.timer = setInterval(() => {
      if (this.lastTickMs > 0) {
        this.tick(rate);
      } else if (this.allUp || performance.now() > patienceEndsMs) {
        this.lastTickMs = performance.now();
        this.logger.log(`The monkey reads and writes ${rate} times a second.`);
      }
    }, TICK_MS);
  }

  /** Before the store closes, what is under way ends. */
  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.underWay);
  }

  private get allUp(): boolean {
    return this.dkv.metrics().ready && this.dkv.cluster().every(({ state }) => state === 'up');
  }

  private tick(rate: number): void {
    const nowMs = performance.now();
    // A pause of the process is not made up for.
    this.due = Math.min(this.due + ((nowMs - this.lastTickMs) / 1000) * rate, Math.max(1, rate));
    this.lastTickMs = nowMs;
    for (; this.due >= 1 && this.underWay.size < IN_FLIGHT_MAX; this.due--) {
      const operation = this.operate().finally(() => this.underWay.delete(operation));
      this.underWay.add(operation);
    }
  }

  private async operate(): Promise<void> {
    const key = `monkey_${randomInt(KEYS)}`;
    const isWrite = randomInt(2) === 0;
    try {
      await (isWrite
        ? this.dkv.addOrUpdate(key, { foo: randomUUID(), bar: randomUUID() })
        : this.dkv.get(key));
    } catch (error) {
      this.report(`${isWrite ? 'writing' : 'reading'} ${key}`, error);
    }
  }

  /** One line for all failures of a while: a cluster without a majority fails every write. */
  private report(what: string, error: unknown): void {
    this.failures++;
    const nowMs = performance.now();
    if (nowMs - this.reportedMs < REPORT_EVERY_MS) {
      return;
    }
    const why = isDkvError(error) ? `${error.code} ${error.message}` : String(error);
    const others = this.failures > 1 ? ` (and ${this.failures - 1} other failures before)` : '';
    this.logger.warn(`The monkey failed at ${what}: ${why}${others}`);
    this.failures = 0;
    this.reportedMs = nowMs;
  }
}
