/** Clients at work on every node all the while: each answer is noted, and in the end the whole history is judged. */
import { setTimeout as pause } from 'node:timers/promises';
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { describeChaosFindings } from '../chaos/chaos-report.js';
import { ClientDesk, type Target } from '../chaos/client-desk.js';
import { Clients } from '../chaos/clients.js';
import { HttpCaller, type Reply, type RequestParts } from '../chaos/http-caller.js';
import { Recorder } from '../chaos/recorder.js';
import { StrongWorkload } from '../chaos/strong-workload.js';
import { type Client, RICH_MIX, type Workload } from '../chaos/workload.js';
import { type DemoNode } from './demo-node.js';
import { until } from './until.js';

/** Of each client between two requests: they are there to find what is wrong, not to keep the machine from its work. */
const PACE_MS = 40;
const CLIENTS_PER_NODE = 3;
/** What callers may be told while nodes come and go: `docs/errors.md` tells them to try again. */
const PASSING = new Set([
  'DKV_QUORUM_NOT_REACHED',
  'DKV_NOT_APPLIED',
  'DKV_INDETERMINATE',
  'DKV_TIMEOUT',
  'DKV_OVERLOADED',
  'DKV_NOT_READY',
]);

/** A call that got no answer, or one that is no result. */
export interface Failure {
  readonly nodeId: string;
  readonly method: string;
  readonly path: string;
  /** An error code of the store; `refused` and `broken` where the process is gone. */
  readonly code: string;
  readonly message: string;
  /** When it was asked, and when it ended; monotonic. */
  readonly fromMs: number;
  readonly toMs: number;
}

export class SteadyLoad {
  readonly failures: Failure[] = [];
  private readonly targets: PacedTarget[] = [];
  private readonly desk = new ClientDesk(new Recorder());
  private readonly workload: StrongWorkload;
  private readonly crews: Clients[] = [];

  private readonly random: SimRandom;

  /**
   * Begins at once, with some clients of each node that stay with it.
   * @param name of letters and digits; begins its keys, which nobody else may have written
   */
  constructor(nodes: readonly DemoNode[], name: string) {
    this.random = new SimRandom(name);
    this.workload = new StrongWorkload(this.desk, this.random.fork('workload'), name, RICH_MIX);
    nodes.forEach((node) => this.join(node));
  }

  /** Operations that succeeded so far. */
  get acknowledged(): number {
    return this.desk.recorder.counts.acknowledged;
  }

  /** Clients of one more node. */
  join(node: DemoNode): void {
    const target = new PacedTarget(node, (failure) => this.failures.push(failure));
    this.targets.push(target);
    const random = this.random.fork(`at ${node.id}`);
    // One target alone: what fails there is told of it, and no client turns away.
    this.crews.push(
      new Clients(CLIENTS_PER_NODE, [target, target], new WorkloadOfNode(node.id, this.workload), random),
    );
  }

  /** Resolves when so many more operations were acknowledged. */
  async goesOn(count = 60): Promise<void> {
    const before = this.acknowledged;
    await until('the load to go on', async () => this.acknowledged >= before + count, 30_000);
  }

  /** No client begins anything more; resolves with what is wrong with all that they were told, read again on these nodes. */
  async end(readers: readonly DemoNode[]): Promise<string[]> {
    await Promise.all(this.crews.map((crew) => crew.end()));
    const failedBefore = this.failures.length;
    const last = readers.map((node) => new PacedTarget(node, (failure) => this.failures.push(failure)));
    const findings = await this.workload.close(last);
    const unread = this.failures.slice(failedBefore);
    [...last, ...this.targets].forEach((target) => target.close());
    return [
      ...(findings.length > 0 ? [describeChaosFindings(findings)] : []),
      ...this.desk.unexpected,
      ...unread.map((failure) => `the last reads failed: ${describeFailure(failure)}`),
    ];
  }

  /** Failures that callers are not told to expect, for people. */
  get strange(): string[] {
    return this.failures
      .filter(({ code }) => !PASSING.has(code) && code !== 'refused' && code !== 'broken')
      .map(describeFailure);
  }

  /** How many calls failed, by code. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    this.failures.forEach(({ code }) => (counts[code] = (counts[code] ?? 0) + 1));
    return counts;
  }
}

export function describeFailure({ nodeId, method, path, code, message, fromMs, toMs }: Failure): string {
  return `${nodeId}: ${method} ${path}: ${code} after ${Math.round(toMs - fromMs)} ms: ${message}`;
}

/** The workload for the clients of one node, at their pace: its history tells clients apart by their names. */
class WorkloadOfNode implements Workload {
  constructor(
    private readonly name: string,
    private readonly workload: StrongWorkload,
  ) {}

  get desk(): ClientDesk {
    return this.workload.desk;
  }

  get checkersMs(): number {
    return this.workload.checkersMs;
  }

  async step(client: Client): Promise<boolean> {
    const isHealthy = await this.workload.step({ ...client, name: `${this.name} ${client.name}` });
    await pause(PACE_MS);
    return isHealthy;
  }

  close(): Promise<never> {
    return Promise.reject(new TypeError('The load is ended as a whole.'));
  }
}

class PacedTarget implements Target {
  private readonly caller: HttpCaller;

  constructor(
    private readonly node: DemoNode,
    private readonly failed: (failure: Failure) => void,
  ) {
    this.caller = new HttpCaller('127.0.0.1', node.port);
  }

  get incarnation(): string {
    return this.node.incarnation;
  }

  async send(method: string, path: string, parts?: RequestParts): Promise<Reply> {
    const fromMs = performance.now();
    const reply = await this.caller.send(method, path, parts);
    const toMs = performance.now();
    const failure = codeOf(reply);
    if (failure) {
      this.failed({ nodeId: this.node.id, method, path, ...failure, fromMs, toMs });
    }
    return reply;
  }

  close(): void {
    this.caller.close();
  }
}

/** Undefined for what is a result: also that there is no value, or another version, or that somebody has the lock. */
function codeOf(reply: Reply): { code: string; message: string } | undefined {
  if (reply.kind !== 'answer') {
    return { code: reply.kind, message: '' };
  }
  const { status, body } = reply;
  const isResult = status < 300 || body.code === 'DKV_KEY_NOT_FOUND' || body.code === 'DKV_CONFLICT';
  return isResult ? undefined : { code: body.code ?? String(status), message: body.message ?? '' };
}
