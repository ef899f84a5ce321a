/** Completion scripts: that a shell takes them, and what it then completes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { runShell } from '../../../testing/cli/captured-terminal.js';
import { EXIT } from '../exit-codes.js';

const run = promisify(execFile);
const isThere = async (shell: string) =>
  run(shell, ['-c', 'true']).then(
    () => true,
    () => false,
  );
const script = async (shell: string) => (await runShell(['completion', shell])).out;

/** What bash offers for the last word. */
async function completed(...words: readonly string[]): Promise<string[]> {
  const asked = words.map((word) => `'${word}'`).join(' ');
  const ask = `COMP_WORDS=(dkv ${asked}); COMP_CWORD=${words.length}; _dkv; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('bash', ['--norc', '-c', `${await script('bash')}\n${ask}`]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe.runIf(await isThere('bash'))('in bash', () => {
  it('is a script that bash takes without a word', async () => {
    const { stdout, stderr } = await run('bash', ['-n', '-c', await script('bash')]);
    expect([stdout, stderr]).toEqual(['', '']);
    await expect(run('bash', ['--norc', '-c', `set -eu\n${await script('bash')}`])).resolves.toMatchObject({
      stderr: '',
    });
  });

  it.each<[readonly string[], readonly string[]]>([
    [['st'], ['status']],
    [['p'], ['partitions', 'put']],
    [
      ['get', '--co'],
      ['--consistency', '--codec'],
    ],
    [
      ['get', '--codec', ''],
      ['raw', 'json', 'msgpack'],
    ],
    [['get', '--consistency', 'l'], ['linearizable']],
    [
      ['put', 'key', '--consistency', ''],
      ['one', 'quorum', 'all'],
    ],
    [
      ['convert', '--to', 'r'],
      ['rocksdb', 'rocksdb-native'],
    ],
    [['completion', 'z'], ['zsh']],
    [['help', 'rec'], ['recover']],
    [['status', '--url', ''], []],
    [['get', 'status', '--names'], ['--namespace']],
    [['nothing', '--'], []],
  ])('completes %j', async (words, expected) => {
    expect(await completed(...words)).toEqual(expected);
  });

  it('completes paths where a file or folder is asked for', async () => {
    expect(await completed('put', 'k', '--file', 'package.j')).toEqual(['package.json']);
    expect(await completed('recover', '--data-dir', 'lib')).toEqual(['libs']);
  });
});

it.each(['bash', 'zsh', 'fish'])(
  'has every command and every option that the help has: %s',
  async (shell) => {
    const text = await script(shell);
    const [commands] = (await runShell(['--help'])).out.split('\ndkv help');
    const names = [...commands!.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name!);
    expect(names).toEqual(expect.arrayContaining(['status', 'get', 'recover', 'completion', 'help']));
    for (const name of names.filter((one) => one !== 'help')) {
      const { out } = await runShell(['help', name]);
      const flags = [...out.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, flag]) => flag!);
      const offered =
        shell === 'fish'
          ? (flag: string) => `from ${name}'[^\\n]* -l ${flag} `
          : (flag: string) => `${name}\\)[^]*--${flag}\\b`;
      const missing = flags.filter((flag) => !new RegExp(offered(flag)).test(text));
      expect(missing, name).toEqual([]);
      expect(flags.length, name).toBeGreaterThan(0);
    }
  },
);

it('knows three shells', async () => {
  const { code, error } = await runShell(['completion', 'tcsh']);
  expect(code).toBe(EXIT.usage);
  expect(error).toContain('Allowed choices are bash, zsh, fish');
});
