/** `dkv recover` on the folders of real nodes: damaged, looked at, mended and started again. */
import { Test, type TestingModule } from '@nestjs/testing';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { runShell } from '../../../testing/cli/captured-terminal.js';
import { StaticDiscovery } from '../../discovery/static-discovery.js';
import { Dkv } from '../../dkv.js';
import { DkvModule } from '../../dkv.module.js';
import { EXIT } from '../exit-codes.js';

const READ = { consistency: 'linearizable', timeoutMs: 20_000 } as const;
const VALUES = Array.from({ length: 8 }, (_, number) => `value ${number}`);

let root: string;
let addresses: string;
const modules = new Map<string, TestingModule>();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dkv-recover-'));
});

afterEach(async () => {
  await stop(...modules.keys());
  await rm(root, { recursive: true, force: true });
});

const folderOf = (nodeId: string) => join(root, nodeId);
const clientOf = (nodeId: string) => modules.get(nodeId)!.get<Dkv<string>>(Dkv);

const shell = (args: readonly string[], answer?: string) => runShell(args, { answer });
const recovering = (...rest: string[]) => ['recover', ...rest];

async function start(...nodeIds: string[]): Promise<void> {
  await Promise.all(
    nodeIds.map(async (nodeId) => {
      const options = DkvModule.forRoot({
        nodeId,
        storage: 'classic-level',
        dataDir: folderOf(nodeId),
        partitions: 4,
        heartbeatIntervalMs: 50,
        electionTimeoutMs: 500,
        logger: new CapturedLog(),
        ...(addresses !== '' && {
          apiKey: 'secret-of-the-tests',
          peerBind: '127.0.0.1',
          discovery: StaticDiscovery.parse(addresses),
        }),
      });
      const module = await Test.createTestingModule({ imports: [options] }).compile();
      modules.set(nodeId, module);
      await module.init();
    }),
  );
}

async function stop(...nodeIds: string[]): Promise<void> {
  await Promise.all(
    nodeIds.map(async (nodeId) => {
      const module = modules.get(nodeId);
      modules.delete(nodeId);
      await module?.close();
    }),
  );
}

async function ready(...nodeIds: string[]): Promise<void> {
  await vi.waitFor(
    () => expect(nodeIds.map((nodeId) => clientOf(nodeId).metrics().ready)).not.toContain(false),
    {
      timeout: 60_000,
      interval: 50,
    },
  );
}

async function threeNodes(): Promise<void> {
  const ports = [await freePort(), await freePort(), await freePort()];
  addresses = ports.map((port, place) => `${'abc'[place]}=127.0.0.1:${port}`).join();
  await start('a', 'b', 'c');
  await ready('a', 'b', 'c');
  for (const [number, value] of VALUES.entries()) {
    await clientOf('a').addOrUpdate(`k${number}`, value);
  }
}

async function valuesAt(nodeId: string): Promise<(string | undefined)[]> {
  const pairs = await Promise.all(VALUES.map((_, number) => clientOf(nodeId).get(`k${number}`, READ)));
  return pairs.map((pair) => pair?.value);
}

/** Flips bits in the middle of the oldest segment. */
async function damage(nodeId: string): Promise<string> {
  const folder = join(folderOf(nodeId), 'log');
  const name = (await readdir(folder)).filter((entry) => entry.endsWith('.seg')).sort()[0]!;
  const bytes = await readFile(join(folder, name));
  bytes[Math.floor(bytes.length / 2)]! ^= 0xff;
  await writeFile(join(folder, name), bytes);
  return name;
}

describe('a damaged log', () => {
  it('is cut after it was shown and agreed to; the node comes back as a new voter with all that the others have', async () => {
    await threeNodes();
    await stop('b');
    const file = await damage('b');
    await expect(start('b')).rejects.toMatchObject({
      code: 'DKV_LOG_DAMAGED',
      message: expect.stringContaining(`dkv recover --data-dir ${folderOf('b')}`) as string,
    });
    modules.delete('b');

    const declined = await shell(recovering('--data-dir', folderOf('b')), 'no');
    expect(declined.code).toBe(EXIT.declined);
    expect(declined.out).toContain(`the log is damaged: ${file}, offset `);
    expect(declined.out).toContain('Nothing was changed.');
    const silent = await shell(recovering('--data-dir', folderOf('b')));
    expect([silent.code, silent.error]).toEqual([EXIT.declined, expect.stringContaining('--yes')]);
    await expect(start('b')).rejects.toMatchObject({ code: 'DKV_LOG_DAMAGED' });
    modules.delete('b');

    const done = await shell(recovering('--data-dir', folderOf('b')), 'yes');
    expect(done.code).toBe(EXIT.done);
    expect(done.out).toContain(`the log was cut at ${file}, offset `);
    expect(await readFile(join(folderOf('b'), 'recover.log'), 'utf8')).toContain(
      `the log was cut at ${file}`,
    );
    await start('b');
    await ready('a', 'b', 'c');
    expect(await valuesAt('b')).toEqual(VALUES);
    await stop('b');
    const after = JSON.parse((await shell(recovering('--data-dir', folderOf('b'), '--json'))).out) as Report;
    expect(after.folders[0]).toMatchObject({ damage: null, previousIncarnations: [expect.any(String)] });
    expect(new Set(after.partitions.map(({ verdict }) => verdict))).toEqual(new Set(['others']));
  });
});

describe('a majority of the disks is gone for good', () => {
  it('and the folder that is left goes on, with new folders for the others', async () => {
    await threeNodes();
    await stop('a', 'b', 'c');
    await rm(folderOf('b'), { recursive: true });
    await rm(folderOf('c'), { recursive: true });
    const dataDir = ['--data-dir', folderOf('a')];
    // Of one node alone nothing is done: the others may be well.
    expect(await shell(recovering(...dataDir))).toMatchObject({
      code: EXIT.done,
      out: expect.stringContaining('Nothing has to be done.') as string,
    });
    const { code, out } = await shell(
      recovering(...dataDir, '--gone', 'b', '--gone', 'c', '--yes', '--groups'),
    );
    expect(code).toBe(EXIT.done);
    expect(out).toContain('Partition 0 goes on as generation 2 from node a, behind entry ');
    expect(out).toContain('members that are gone or forgot: b, c.');
    expect(out).toContain('partition 3: generation 1, term ');
    await start('a', 'b', 'c');
    await ready('a', 'b', 'c');
    expect(await valuesAt('c')).toEqual(VALUES);
    const before = (await clientOf('a').getOrThrow('k0', READ)).version;
    const { version } = await clientOf('b').addOrUpdate('k0', 'after');
    expect(version > before).toBe(true);
    expect((await clientOf('a').getOrThrow('k0', READ)).value).toBe('after');
  });
});

describe('is refused:', () => {
  beforeEach(async () => {
    addresses = '';
    await start('a');
    await ready('a');
  });

  it('a folder that a process has open', async () => {
    const { code, error } = await shell(recovering('--data-dir', folderOf('a'), '--yes'));
    expect([code, error]).toEqual([EXIT.inUse, expect.stringContaining('DKV_STORE_LOCKED')]);
  });

  it.each([
    ['a folder that is none', ['--data-dir', 'none'], EXIT.failed, 'no data folder of nestjs-dkv'],
    ['no folder', [], EXIT.usage, '--data-dir'],
    ['an unknown option', ['--data-dir', 'a', '--force'], EXIT.usage, '--force'],
    ['a node that is gone and given', ['--data-dir', 'a', '--gone', 'a'], EXIT.usage, 'its folder is given'],
    ['a node of no cluster', ['--data-dir', 'a', '--gone', 'x'], EXIT.usage, 'no node of this cluster: a'],
  ])('%s', async (_, args, code, message) => {
    await stop('a');
    const given = args.map((arg, place) => (args[place - 1] === '--data-dir' ? folderOf(arg) : arg));
    const told = await shell(recovering(...given));
    expect([told.code, told.error]).toEqual([code, expect.stringContaining(message)]);
  });

  it('nothing where help is asked for: it names every exit code that it has', async () => {
    const { code, out } = await shell(recovering('--help'));
    expect(code).toBe(EXIT.done);
    const { done, failed, usage, inUse, undecided, declined } = EXIT;
    for (const number of [done, failed, usage, inUse, undecided, declined]) {
      expect(out).toMatch(new RegExp(`\\b${number} \\w`));
    }
  });
});

interface Report {
  readonly folders: readonly object[];
  readonly partitions: readonly { readonly verdict: string }[];
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}
