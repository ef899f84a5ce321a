/** The guide of operations: its example works when run, and its runbook shows what the commands print. */
import { Test } from '@nestjs/testing';
import { DkvAdmin, DkvModule } from 'nestjs-dkv';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LOOK_MS } from '../../libs/dkv/src/cli/online/members/watched-moves.js';
import { runShell } from '../../libs/dkv/testing/cli/captured-terminal.js';
import { HastyClock } from '../../libs/dkv/testing/cli/hasty-clock.js';
import { leavingMoves, leftMoves, TOLD_AT_MS } from '../../libs/dkv/testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../libs/dkv/testing/cli/stand-in-node.js';
import { operate } from './operations-examples.js';

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

describe('the runbook of members', () => {
  const section = PAGE.split('\n## Members\n')[1]!.split('\n## ')[0]!;
  const examples = [...section.matchAll(/(?:^ {4}.*\n)+/gm)].map(([block]) => {
    const [typed = '', ...printed] = block.replace(/^ {4}/gm, '').split('\n');
    return { command: typed.replace('$ dkv ', ''), printed: printed.join('\n') };
  });
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
