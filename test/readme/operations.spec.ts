/** The guide of operations: its example works when run, and its runbook shows what the commands print. */
import { Test } from '@nestjs/testing';
import { DkvAdmin, DkvModule } from 'nestjs-dkv';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../libs/dkv/src/cli/exit-codes.js';
import { LOOK_MS } from '../../libs/dkv/src/cli/online/members/watched-moves.js';
import { runShell } from '../../libs/dkv/testing/cli/captured-terminal.js';
import { HastyClock } from '../../libs/dkv/testing/cli/hasty-clock.js';
import {
  leavingMoves,
  leftMoves,
  sampleCluster,
  sampleCopy,
  sampleDiagnosis,
  samplePartition,
  splitCluster,
  TOLD_AT_MS,
} from '../../libs/dkv/testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../libs/dkv/testing/cli/stand-in-node.js';
import { type ClusterReport } from '../../libs/dkv/src/model/cluster-report.js';
import { operate } from './operations-examples.js';

const HOUR_MS = 3_600_000;
const PAGE = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const SOURCES = ['strong/membership/cluster-membership.ts', 'providers/cluster-at-start.ts']
  .map((name) => readFileSync(new URL(`../../libs/dkv/src/${name}`, import.meta.url), 'utf8'))
  .join('\n');

it('is what an application may ask of its cluster', async () => {
  const logger = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const module = await Test.createTestingModule({
    imports: [DkvModule.forRoot({ nodeId: 'node2', storage: 'memory', logger })],
  }).compile();
  await module.init();
  await expect(operate(module.get(DkvAdmin))).resolves.toBeUndefined();
  await module.close();
});

function sectionOf(title: string): string {
  return PAGE.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
}

/** What is typed and what is printed. */
function examplesOf(section: string): { command: string; printed: string }[] {
  return [...section.matchAll(/(?:^ {4}.*\n|^\n(?= {4}))+/gm)].map(([block]) => {
    const [typed = '', ...printed] = block.trim().replace(/^ {4}/gm, '').split('\n');
    return { command: typed.replace('$ dkv ', ''), printed: `${printed.join('\n')}\n` };
  });
}

describe('the runbook of members', () => {
  const section = sectionOf('Members');
  const examples = examplesOf(section);
  let node: StandInNode;

  beforeEach(async () => {
    node = await new StandInNode().start();
    for (const route of ['admit', 'decommission', 'remove', 'replace', 'replicas']) {
      node.replies[`POST /admin/${route}`] = { body: { epoch: 8 } };
    }
    const steps = [leavingMoves(9, 41), leavingMoves(9, 41), leavingMoves(51, 20), leftMoves(94)];
    node.replies['GET /admin/moves'] = steps.map((body) => ({ body }));
  });

  afterEach(() => node.stop());

  it('has a command for each of its steps', () => {
    expect(examples.map(({ command }) => command)).toEqual([
      'moves --watch',
      'admit d --wait',
      'decommission c --wait',
      'replace c d --wait',
      'replicas 2 --wait',
      'remove c --yes --wait',
    ]);
  });

  it.each(examples)('shows what is printed: $command', async ({ command, printed }) => {
    const { code, out, error } = await runShell(command.split(' '), {
      env: { DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY },
      clock: new HastyClock(LOOK_MS, TOLD_AT_MS),
    });
    expect([code, out, error]).toEqual([0, printed, '']);
  });

  it('quotes what nodes say', () => {
    const quoted = [...section.matchAll(/"([^"]+)"/g)].map(([, text]) => text!.replace(/\s+/g, ' '));
    const pieces = quoted.flatMap((text) => text.split('…')).map((piece) => piece.trim());
    expect(pieces.filter((piece) => !SOURCES.includes(piece))).toEqual([]);
    expect(quoted).toHaveLength(2);
  });
});

describe('the runbook of restarts and of nights', () => {
  const examples = [
    ...examplesOf(sectionOf('A rolling restart, and an upgrade')),
    ...examplesOf(sectionOf('When something goes wrong at night')),
  ];
  const nodes = new Map<string, StandInNode>();

  /** They answer under the addresses that they listen on. */
  function located(report: ClusterReport): ClusterReport {
    const members = report.members.map((member) => {
      const port = nodes.get(member.nodeId)!.port;
      return { ...member, host: '127.0.0.1', port };
    });
    return { ...report, members };
  }

  beforeEach(async () => {
    for (const nodeId of ['a', 'b', 'c']) {
      nodes.set(nodeId, await new StandInNode().start());
    }
  });

  afterEach(() => Promise.all([...nodes.values()].map((node) => node.stop())));

  it('has a command for each of its steps', () => {
    expect(examples.map(({ command }) => command)).toEqual([
      'status',
      'status',
      'doctor',
      'partitions --without-quorum',
    ]);
  });

  it.each<[string, number, ClusterReport, number]>([
    ['all is well', 0, sampleCluster(), EXIT.done],
    ['the network is split', 1, splitCluster(), EXIT.degraded],
    ['a clock is wrong', 2, sampleCluster(), EXIT.findings],
    ['a majority is gone', 3, splitCluster(), EXIT.done],
  ])('shows what is printed when %s', async (_, number, report, exit) => {
    const { command, printed } = examples[number]!;
    const a = nodes.get('a')!;
    a.replies['GET /admin/cluster'] = { body: located(report) };
    for (const [nodeId, node] of nodes) {
      const aheadMs = (peer: string) => (peer === 'c' ? HOUR_MS : nodeId === 'c' ? -HOUR_MS : 0);
      const { peers, ...diagnosis } = sampleDiagnosis(nodeId);
      const seen = peers.map((peer) => ({ ...peer, clockOffsetMs: aheadMs(peer.nodeId) }));
      node.replies['GET /admin/diagnosis'] = { body: { ...diagnosis, peers: seen } };
    }
    const lost = samplePartition(0, {
      leader: '',
      takesWrites: false,
      members: [sampleCopy('a', { role: 'candidate', term: 7 })],
    });
    a.replies['GET /admin/partitions'] = { body: number === 3 ? [lost] : [] };
    const { code, out, error } = await runShell(command.split(' '), {
      env: { DKV_URL: a.url, DKV_ADMIN_KEY: ADMIN_KEY },
      clock: new HastyClock(LOOK_MS, TOLD_AT_MS),
    });
    const shown = [...nodes.values()].reduce(
      (text, { port }, at) => text.replaceAll(`127.0.0.1:${port}`, `10.0.10.1${at + 1}:7000`),
      out,
    );
    expect([code, shown, error]).toEqual([exit, printed, '']);
  });
});
