/** One machine with a node log on simulated files: opens it, breaks it, and tells what a reopened one holds. */
import { type DkvError } from '../../src/dkv.errors.js';
import { type LogEnd, type LogReplay, type NodeLog } from '../../src/ports/node-log.js';
import { type NodeLogOptions, type OpenedNodeLog, openNodeLog } from '../../src/storage/log/open-node-log.js';
import { CapturedLog } from '../captured-log.js';
import { Incarnation } from './incarnation.js';
import { SimClock } from './sim-clock.js';
import { SimFiles } from './sim-files.js';
import { type FileFaults, SimFolder } from './sim-folder.js';
import { SimRandom } from './sim-random.js';
import { SimScheduler } from './sim-scheduler.js';
import { SimTrace } from './trace.js';

export class LogMachine {
  readonly scheduler = new SimScheduler();
  readonly trace = new SimTrace({ linesMax: 200 });
  readonly logger = new CapturedLog();
  readonly folder: SimFolder;
  private process = new Incarnation('n1', 0);
  log!: NodeLog;
  end!: LogEnd;
  /** What the last opening was shown, one line a record. */
  replayed: string[] = [];

  constructor(
    private readonly options: Partial<NodeLogOptions> = {},
    seed: number | string = 1,
    faults: Partial<FileFaults> = {},
  ) {
    const { scheduler, trace } = this;
    this.folder = new SimFolder({ scheduler, trace, random: new SimRandom(seed), name: 'n1', faults });
  }

  async open(options: Partial<NodeLogOptions> = {}): Promise<this> {
    const opened = await this.do(this.opening(options));
    this.log = opened.log;
    this.end = opened.end;
    return this;
  }

  /** Kills the process that was, and begins opening in the next. */
  opening(options: Partial<NodeLogOptions> = {}): Promise<OpenedNodeLog> {
    this.process.kill();
    this.process = this.process.next();
    this.replayed = [];
    return openNodeLog(
      {
        files: new SimFiles(this.folder, this.process),
        durability: 'fsync',
        clock: new SimClock(this.scheduler, this.process),
        logger: this.logger,
        reserveBytes: 0,
        dataDir: '/data',
        ...this.options,
        ...options,
      },
      lines(this.replayed),
    );
  }

  kill(): void {
    this.process.kill();
  }

  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work);
  }

  add(group: number, index: number, data: string, term = 1): void {
    this.log.addEntry(group, 0, term, index, 'operations', Buffer.from(data));
  }

  /** Flushes and waits; the code of the error, or 'ok'. */
  flush(): Promise<string> {
    return this.do(this.flushed());
  }

  /** Flushes; resolves with the code of the error, or 'ok'. */
  flushed(): Promise<string> {
    return new Promise((resolve) => this.log.flush((error) => resolve(codeOf(error))));
  }

  /** One append with one entry. */
  append(group: number, index: number, data: string, term = 1): Promise<string> {
    this.add(group, index, data, term);
    return this.flush();
  }

  get segments(): string[] {
    return [...this.folder.names.keys()].filter((name) => name.endsWith('.seg')).sort();
  }
}

function codeOf(error: DkvError | undefined): string {
  return error?.code ?? 'ok';
}

function lines(into: string[]): LogReplay {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  return {
    hardState: (group, { term, vote }) => into.push(`vote ${group} ${term} ${vote}`),
    entry: (group, _, term, index, kind, data) =>
      into.push(`${kind} ${group} ${term}/${index} ${text(data)}`),
    reset: (group, _, index, term) => into.push(`reset ${group} ${term}/${index}`),
    batch: (position, bytes) => into.push(`batch ${position} ${text(bytes)}`),
  };
}
