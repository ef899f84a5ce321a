/** One mode of the store under faults, in rounds: hurt, heal, read, judge, forget. */
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { ChaosCluster, type LinkChoice, type Mode, SMALL_DISK_NODE } from './chaos-cluster.js';
import { ClientDesk } from './client-desk.js';
import { Clients } from './clients.js';
import { EventualWorkload } from './eventual-workload.js';
import { FaultPlan } from './fault-plan.js';
import { FaultRunner } from './fault-runner.js';
import { Recorder, type RecordedCounts } from './recorder.js';
import { StrongWorkload } from './strong-workload.js';
import { type ChaosFinding, CHEAP_MIX, RICH_MIX, type Workload } from './workload.js';

export interface ChaosSettings {
  readonly mode: Mode;
  readonly seed: string;
  readonly durationMs: number;
  /** Faults of a few seconds; every kind is still done at least once, whatever time that takes. */
  readonly short: boolean;
  readonly links: LinkChoice;
  readonly clients: number;
  /** Linearizable reads by leases; default: by rounds. */
  readonly leases?: boolean;
  readonly say: (line: string) => void;
}

export interface ChaosResult {
  readonly mode: Mode;
  readonly seed: string;
  readonly links: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly counts: Readonly<RecordedCounts>;
  /** Requests that were sent a second time under the same id. */
  readonly repeated: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Kinds of faults that this machine does not allow. */
  readonly notRun: readonly string[];
  /** What the last reads of all rounds took, the checkers included. */
  readonly lastReadsMs: number;
  readonly checkersMs: number;
  readonly findings: readonly ChaosFinding[];
}

const ROUND_MS = 90_000;
const DISK_MEGABYTES = { short: 96, long: 256 };
const HEAL_WITHIN_MS = 120_000;
const CONVERGE_WITHIN_MS = 90_000;
/** More say no more. */
const FINDINGS_MAX = 50;

export async function runChaos(settings: ChaosSettings): Promise<ChaosResult> {
  const { mode, seed, durationMs, short, links, leases = false, say } = settings;
  const startedMs = performance.now();
  const elapsedMs = () => performance.now() - startedMs;
  const tell = (line: string) => say(`${(elapsedMs() / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const notRun: string[] = [];
  const warn = (line: string) => {
    notRun.push(line);
    say(`\n*** ${line}\n`);
  };
  const diskMegabytes = short ? DISK_MEGABYTES.short : DISK_MEGABYTES.long;
  const cluster = await ChaosCluster.start({ mode, links, leases, diskMegabytes, warn });
  try {
    await assertMode(cluster, mode);
    const random = new SimRandom(`chaos ${mode} ${seed}`);
    const desk = new ClientDesk(new Recorder());
    const plan = new FaultPlan(
      {
        nodes: cluster.nodes.length,
        smallDisk: cluster.disk && SMALL_DISK_NODE,
        linkFaults: cluster.links.faults,
        losesDisks: mode === 'strong',
        short,
      },
      random.fork('faults'),
    );
    const faults = new FaultRunner(cluster, plan, tell);
    const workload = workloadOf(settings, desk, random.fork('workload'));
    const findings: ChaosFinding[] = [];
    let lastReadsMs = 0;
    let rounds = 0;
    do {
      rounds++;
      const roundEndsMs = Math.min(durationMs, elapsedMs() + ROUND_MS);
      const clients = new Clients(settings.clients, cluster.nodes, workload, random.fork(`round ${rounds}`));
      await faults.run(() => elapsedMs() >= roundEndsMs && plan.complete);
      // Clients go on while the nodes catch up: a store that is healed but in use must become ready too.
      const faultsEndMs = elapsedMs();
      await faults.healAll(HEAL_WITHIN_MS);
      tell(`all nodes are ready ${Math.round(elapsedMs() - faultsEndMs)} ms after the last fault`);
      await clients.end();
      const healedMs = elapsedMs();
      findings.push(...(await workload.close(cluster.nodes)), ...faults.findings.splice(0));
      lastReadsMs += elapsedMs() - healedMs;
      const { operations } = desk.recorder.counts;
      tell(`round ${rounds} judged: ${operations} operations so far, ${findings.length} findings`);
    } while (elapsedMs() < durationMs && findings.length < FINDINGS_MAX);
    findings.push(...desk.unexpected.map(unexpectedAnswer));
    if (findings.length > 0) {
      say(cluster.log);
    }
    return {
      mode,
      seed,
      links: cluster.links.name,
      rounds,
      seconds: elapsedMs() / 1000,
      counts: desk.recorder.counts,
      repeated: desk.repeated,
      faults: Object.fromEntries(faults.counts),
      notRun,
      lastReadsMs,
      checkersMs: workload.checkersMs,
      findings: findings.slice(0, FINDINGS_MAX),
    };
  } finally {
    await cluster.dispose();
  }
}

function workloadOf({ mode, short }: ChaosSettings, desk: ClientDesk, random: SimRandom): Workload {
  const name = `${mode[0]}${random.uint32().toString(36)}`;
  const mix = short ? RICH_MIX : CHEAP_MIX;
  return mode === 'strong'
    ? new StrongWorkload(desk, random, name, mix)
    : new EventualWorkload(desk, random, name, CONVERGE_WITHIN_MS, mix);
}

/** @throws Error when the built demo does not know the mode: a run that tests something else must not pass. */
async function assertMode({ nodes }: ChaosCluster, mode: Mode): Promise<void> {
  // Only a strong namespace compares.
  const reply = await nodes[0]!.send('PUT', '/items/which-mode?ifVersion=absent', { body: mode });
  const isStrong = reply.kind === 'answer' && reply.status < 300;
  if (isStrong !== (mode === 'strong')) {
    throw new Error(
      `The nodes were started with DKV_MODE=${mode}, but a compare-and-set was answered with ${JSON.stringify(reply)}: ` +
        `this build of the demo does not know that mode.`,
    );
  }
}

function unexpectedAnswer(message: string): ChaosFinding {
  return { rule: 'unexpected-answer', key: '', message, operations: [] };
}
