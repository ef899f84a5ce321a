/** The page of the command line: what it shows is what the commands print, its exit codes are those that there are. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EXIT } from '../../libs/dkv/src/cli/exit-codes.js';
import { LOOK_MS } from '../../libs/dkv/src/cli/online/members/watched-moves.js';
import { MsgpackCodec } from '../../libs/dkv/src/codec/msgpack-codec.js';
import { runShell } from '../../libs/dkv/testing/cli/captured-terminal.js';
import {
  degradedCluster,
  leavingMoves,
  leftMoves,
  sampleCopy,
  sampleDiagnosis,
  sampleExplanation,
  samplePartition,
  TOLD_AT_MS,
} from '../../libs/dkv/testing/cli/sample-reports.js';
import { HastyClock } from '../../libs/dkv/testing/cli/hasty-clock.js';
import { ADMIN_KEY, StandInNode } from '../../libs/dkv/testing/cli/stand-in-node.js';
import { freePort } from '../../libs/dkv/testing/free-port.js';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/cli.md', import.meta.url)), 'utf8');
const STAMP = { version: '0000000100000000002a', modified: TOLD_AT_MS };
const DAY_MS = 24 * 3_600_000;
const GIB = 2 ** 30;

/** What is typed and what is printed, without the indentation. */
const EXAMPLES = [...PAGE.matchAll(/(?:^ {4}.*\n|^\n(?= {4}))+/gm)]
  .flatMap(([block]) => block.replace(/^ {4}/gm, '').split(/^\$ /m).slice(1))
  .map((example) => {
    const [command = '', ...printed] = example.trimEnd().split('\n');
    return { command, printed: `${printed.join('\n')}\n` };
  });

let a: StandInNode;
let b: StandInNode;
/** Where nobody is: node c is gone. */
let port: number;

beforeEach(async () => {
  [a, b] = await Promise.all([new StandInNode().start(), new StandInNode().start()]);
  port = await freePort();
  const addresses = [a.port, b.port, port];
  const cluster = degradedCluster();
  const members = cluster.members.map((member, at) => ({
    ...member,
    host: '127.0.0.1',
    port: addresses[at]!,
  }));
  const gone = {
    nodeId: 'c',
    state: 'down',
    trouble: 'unreachable',
    error: 'connect ECONNREFUSED 10.0.10.13:7000',
  } as const;
  const { storage } = sampleDiagnosis('b');
  const ofB = sampleExplanation().copies[1]!;
  const waiting = { nodeId: 'd', host: '10.0.10.14', port: 7000, weight: 1, zone: 'eu-1d' };
  const candidates = [{ ...waiting, membership: 'candidate' }];
  a.replies['GET /admin/cluster'] = { body: { ...cluster, members, candidates } };
  a.replies['GET /admin/diagnosis'] = {
    body: sampleDiagnosis('a', {
      peers: [{ nodeId: 'b', state: 'up', roundTripMs: 0.42, clockOffsetMs: 1 }, gone],
      certificate: { subject: 'CN=node1', validTo: TOLD_AT_MS + 12.5 * DAY_MS },
    }),
  };
  b.replies['GET /admin/diagnosis'] = {
    body: sampleDiagnosis('b', {
      peers: [{ nodeId: 'a', state: 'up', roundTripMs: 0.38, clockOffsetMs: -1 }, gone],
      storage: { ...storage, freeBytes: 7 * GIB },
    }),
  };
  a.replies['GET /admin/partitions'] = {
    body: [
      ...Array.from({ length: 63 }, (_, number) =>
        samplePartition(number, { members: [sampleCopy('a'), sampleCopy('b')] }),
      ),
      samplePartition(63, {
        list: ['c', 'a', 'b'],
        leader: '',
        takesWrites: false,
        voters: ['a', 'c'],
        members: [
          sampleCopy('a', { role: 'candidate', term: 7 }),
          sampleCopy('b', { role: 'learner', applied: 88 }),
        ],
      }),
    ],
  };
  a.replies['GET /admin/explain'] = {
    body: sampleExplanation({
      copies: [
        sampleExplanation().copies[0]!,
        { ...ofB, record: { ...ofB.record!, digest: '00c0ffee' } },
        { nodeId: 'c', error: 'connect ECONNREFUSED 10.0.10.13:7000' },
      ],
      findings: ['a and b have applied entry 120 and differ: digest 9d3e01ac on a, 00c0ffee on b.'],
    }),
  };
  a.replies['POST /admin/transfer-leadership'] = { body: { group: 17, leader: 'b' } };
  for (const route of [
    'admit',
    'decommission',
    'remove',
    'replace',
    'keep',
    'weight',
    'zone',
    'zones',
    'replicas',
  ]) {
    a.replies[`POST /admin/${route}`] = { body: { epoch: 8 } };
  }
  const steps = [leavingMoves(9, 41), leavingMoves(9, 41), leavingMoves(51, 20), leftMoves(94)];
  a.replies['GET /admin/moves'] = steps.map((body) => ({ body }));
  a.replies['POST /kv'] = { body: { key: 'user:7', ...STAMP } };
  const value = Buffer.from(new MsgpackCodec().encode({ name: 'Ada' })).toString('base64');
  a.replies['GET /kv/user%3A7'] = { body: { key: 'user:7', value, ...STAMP } };
});

afterEach(() => Promise.all([a.stop(), b.stop()]));

/** Addresses of the loopback are as long as those that the page shows. */
function asOnThePage(text: string): string {
  return [a.port, b.port, port].reduce(
    (shown, own, at) => shown.replaceAll(`127.0.0.1:${own}`, `10.0.10.1${at + 1}:7000`),
    text,
  );
}

it('has examples', () => {
  expect(EXAMPLES.length).toBeGreaterThan(9);
});

it.each(EXAMPLES)('shows what is printed: $command', async ({ command, printed }) => {
  a.replies['DELETE /kv/user%3A7'] = { body: { removed: printed.startsWith('Removed') } };
  const [, ...args] = command.match(/'[^']*'|\S+/g)!.map((word) => word.replace(/^'|'$/g, ''));
  const { out, error } = await runShell(args, {
    env: { DKV_URL: a.url, DKV_ADMIN_KEY: ADMIN_KEY },
    clock: new HastyClock(LOOK_MS, TOLD_AT_MS),
  });
  expect([asOnThePage(out), error]).toEqual([printed, '']);
});

it('lists the exit codes that there are', () => {
  const told = [...PAGE.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
  expect(told).toEqual(Object.values(EXIT));
});

it('names every command and every option of the connection', async () => {
  const { out } = await runShell(['--help']);
  const [commands] = out.split('\ndkv help');
  const names = [...commands!.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name!);
  expect(names.filter((name) => name !== 'help' && !PAGE.includes(`dkv ${name}`))).toEqual([]);
  const connection = (await runShell(['status', '--help'])).out.split('\nConnection')[1]!;
  const options = [...connection.matchAll(/^ {2}(--[a-z-]+ <\w+>)/gm)].map(([, option]) => option!);
  expect(options.length).toBe(7);
  for (const option of options) {
    const name = `DKV_${option.slice(2).split(' ')[0]!.toUpperCase().replaceAll('-', '_')}`;
    expect(PAGE, option).toMatch(new RegExp(`\`${option}\` +\\| \`${name}\``));
  }
});
