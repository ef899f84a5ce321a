/** `dkv` itself: its help, and what it says of what it does not know. */
import { expect, it } from 'vitest';
import { runShell } from '../../testing/cli/captured-terminal.js';
import { EXIT } from './exit-codes.js';

const ONLINE = [
  'status',
  'partitions',
  'explain',
  'doctor',
  'transfer-leadership',
  'members',
  'moves',
  'admit',
  'decommission',
  'remove',
  'replace',
  'keep',
  'weight',
  'zone',
  'zones',
  'replicas',
  'get',
  'put',
  'rm',
];
const COMMANDS = [...ONLINE, 'recover', 'convert', 'completion'];

it('lists its commands by what they work on', async () => {
  const { code, out } = await runShell(['--help']);
  expect(code).toBe(EXIT.done);
  expect([...out.split('\ndkv help')[0]!.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name)).toEqual([
    ...COMMANDS,
    'help',
  ]);
});

it.each(COMMANDS)('explains %s, with an example', async (name) => {
  const { code, out } = await runShell([name, '--help']);
  expect(code).toBe(EXIT.done);
  expect(out).toMatch(new RegExp(`^Usage: dkv ${name} `));
  expect(out).toMatch(/\nExamples?[:,][^]*\n {2,4}(?:\S.*)?dkv /);
});

it.each(ONLINE)('tells of %s how it is connected, and its exit codes', async (name) => {
  const { out } = await runShell(['help', name]);
  expect(out).toContain('--admin-key-file <file>');
  expect(out).toMatch(/Exit codes: 0 /);
});

it.each([
  ['no command', []],
  ['an unknown command', ['stats']],
  ['an unknown option', ['status', '--jsn']],
  ['too many arguments', ['status', 'a']],
  ['a missing argument', ['explain']],
])('refuses %s in a line or with its help, and shows no stack', async (_, args) => {
  const { code, out, error } = await runShell(args);
  expect([code, out]).toEqual([EXIT.usage, '']);
  expect(error).not.toBe('');
  expect(error).not.toMatch(/\n\s+at /);
});
