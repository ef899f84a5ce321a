/** Does to the cluster what the plan says, and repairs it. */
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../e2e/until.js';
import { type ChaosCluster } from './chaos-cluster.js';
import { type FaultKind, type FaultPlan, type PlannedFault } from './fault-plan.js';
import { type ChaosFinding } from './workload.js';

const UNREADY_WITHIN_MS = 20_000;
const START_WITHIN_MS = 60_000;
/** How long all nodes may take to be voters again after a disk was lost, with other faults going on. */
const VOTERS_WITHIN_MS = 90_000;
const ON_ONE_NODE: readonly FaultKind[] = ['kill', 'stop', 'pause', 'lose disk', 'full disk'];
const BUSY_POLL_MS = 20;

export class FaultRunner {
  readonly counts = new Map<FaultKind, number>();
  readonly findings: ChaosFinding[] = [];
  private readonly busyNodes = new Set<number>();
  private isLosing = false;

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly plan: FaultPlan,
    /** Called with a line for each fault. */
    private readonly say: (line: string) => void,
  ) {}

  /** One fault after the other until `enough`, which is asked in between; each ends repaired. */
  async run(enough: () => boolean): Promise<void> {
    while (!enough()) {
      const fault = this.plan.next();
      const second = fault.overlaps ? this.plan.next() : undefined;
      await Promise.all([this.apply(fault), second && this.later(second, fault.durationMs / 2)]);
      this.noteCrashes();
      await pause(fault.calmMs);
    }
  }

  /** Ends what may still be in force and waits until every node is ready. */
  async healAll(withinMs: number): Promise<void> {
    this.noteCrashes();
    await this.cluster.disk?.free();
    for (const [node, chaosNode] of this.cluster.nodes.entries()) {
      chaosNode.resume();
      await this.isolate(node, false);
      if (!chaosNode.running) {
        chaosNode.launch();
      }
    }
    try {
      await this.cluster.settled(withinMs);
    } catch (error) {
      this.note('liveness', '', `with every fault gone: ${(error as Error).message}`);
    }
  }

  private async later(fault: PlannedFault, afterMs: number): Promise<void> {
    await pause(afterMs);
    await this.apply(fault);
  }

  private async apply(fault: PlannedFault): Promise<void> {
    const { kind, node, peer, durationMs } = fault;
    const involved = ON_ONE_NODE.includes(kind) ? [node] : [node, peer];
    // One fault at a time for a node: two would undo each other.
    while (involved.some((index) => this.busyNodes.has(index))) {
      await pause(BUSY_POLL_MS);
    }
    involved.forEach((index) => this.busyNodes.add(index));
    const where = involved.length === 1 || kind === 'isolate' ? '' : ` → node${peer + 1}`;
    this.say(`${kind}: node${node + 1}${where} for ${durationMs} ms`);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    try {
      await this.perform(fault);
    } finally {
      involved.forEach((index) => this.busyNodes.delete(index));
    }
  }

  private async perform({ kind, node, peer, durationMs }: PlannedFault): Promise<void> {
    const { links } = this.cluster;
    const chaosNode = this.cluster.nodes[node]!;
    switch (kind) {
      case 'kill':
        await chaosNode.kill9();
        await pause(durationMs);
        return this.start(node);
      case 'stop':
        await this.stop(node);
        await pause(durationMs);
        return this.start(node);
      case 'lose disk':
        return this.loseDisk(node, durationMs);
      case 'pause':
        chaosNode.pause();
        await pause(durationMs);
        return chaosNode.resume();
      case 'full disk':
        return this.fillDisk(node, durationMs);
      case 'isolate':
        await this.isolate(node, true);
        await pause(durationMs);
        return this.isolate(node, false);
      case 'cut both ways':
        await Promise.all([links.apply(node, peer, 'cut'), links.apply(peer, node, 'cut')]);
        await pause(durationMs);
        await Promise.all([links.heal(node, peer), links.heal(peer, node)]);
        return;
      default:
        await links.apply(node, peer, kind === 'cut one way' ? 'cut' : kind);
        await pause(durationMs);
        return links.heal(node, peer);
    }
  }

  /** The node must find out and say that it is unready; freed, it is started anew and must have lost nothing. */
  private async fillDisk(node: number, durationMs: number): Promise<void> {
    const { [node]: chaosNode } = this.cluster.nodes;
    const { id } = chaosNode!;
    const fullAtMs = performance.now();
    const since = () => `${Math.round(performance.now() - fullAtMs)} ms after its disk was full`;
    await this.cluster.disk!.fill();
    try {
      const unready = async () => !chaosNode!.running || (await chaosNode!.health()) === 503;
      await until(`${id} to be unready on its full disk`, unready, UNREADY_WITHIN_MS);
      this.say(`${id} is unready ${since()}`);
      await pause(durationMs);
    } catch (error) {
      this.note('full-disk', id, (error as Error).message);
    }
    this.noteCrashes();
    await this.stop(node);
    this.say(`${id} has stopped ${since()}`);
    await this.cluster.disk!.free();
    await this.start(node);
    this.say(`${id} answers again ${since()}`);
  }

  /**
   * One at a time, and the next only when all are voters again: what a majority forgot is lost whatever the store does.
   * Until a node whose disk is gone is ready, faults of other kinds are welcome.
   */
  private async loseDisk(node: number, durationMs: number): Promise<void> {
    const { nodes } = this.cluster;
    const { id, dataDir } = nodes[node]!;
    const areVoters = async () =>
      !this.isLosing && (await Promise.all(nodes.map((each) => each.health()))).every((each) => each === 200);
    try {
      await until('all nodes to be voters', areVoters, VOTERS_WITHIN_MS);
    } catch (error) {
      return this.note('liveness', id, (error as Error).message);
    }
    this.isLosing = true;
    try {
      await nodes[node]!.kill9();
      await rm(dataDir, { recursive: true, force: true });
      this.say(`${id} has lost its disk`);
      await pause(durationMs);
      await this.start(node);
    } finally {
      this.isLosing = false;
    }
  }

  private async stop(node: number): Promise<void> {
    const { [node]: chaosNode } = this.cluster.nodes;
    if (!(await chaosNode!.stop())) {
      this.note('stop', chaosNode!.id, 'the node did not stop when it was told to');
    }
  }

  /**
   * Until the process answers: with writes going on, catching up takes until the next round of anti-entropy, and
   * faults that come before that are welcome. That it does become ready is demanded at the end of the round.
   */
  private async start(node: number): Promise<void> {
    const { [node]: chaosNode } = this.cluster.nodes;
    chaosNode!.launch();
    try {
      await until(
        `${chaosNode!.id} to answer after its start`,
        async () => !chaosNode!.running || (await chaosNode!.health()) > 0,
        START_WITHIN_MS,
      );
    } catch (error) {
      this.note('liveness', chaosNode!.id, (error as Error).message);
    }
  }

  private async isolate(node: number, cut: boolean): Promise<void> {
    const { links, nodes } = this.cluster;
    const others = [...nodes.keys()].filter((other) => other !== node);
    const both = others.flatMap((other) => [[node, other] as const, [other, node] as const]);
    await Promise.all(both.map(([from, to]) => (cut ? links.apply(from, to, 'cut') : links.heal(from, to))));
  }

  /** A process that ends by itself is a bug whatever was done to it; it is started again. */
  private noteCrashes(): void {
    for (const [index, chaosNode] of this.cluster.nodes.entries()) {
      if (chaosNode.crashed && !this.busyNodes.has(index)) {
        this.note('crash', chaosNode.id, `the process ended by itself:\n${chaosNode.log.slice(-2_000)}`);
        chaosNode.launch();
      }
    }
  }

  private note(rule: string, key: string, message: string): void {
    this.findings.push({ rule, key, message, operations: [] });
  }
}
