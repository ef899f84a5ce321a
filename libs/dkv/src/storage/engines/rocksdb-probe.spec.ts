import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeBinding, probeRocksdb } from './rocksdb-probe.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dkv-probe-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Probes a binding that is this text. */
async function probing(binding: string, timeoutMs?: number): Promise<string | undefined> {
  const location = join(folder, 'binding.cjs');
  await writeFile(location, binding);
  const outcome = await probeBinding(location, folder, timeoutMs);
  expect(await readdir(folder)).toEqual(['binding.cjs']);
  return outcome;
}

const opening = (body: string) => `module.exports = () => ({ open(options, callback) { ${body} } });`;

describe('the probe of RocksDB', () => {
  it(
    'finds that it runs on Node 20, once per process, and leaves nothing behind',
    { timeout: 60_000 },
    async () => {
      const expected =
        Number(process.versions.node.split('.')[0]) <= 20 ? undefined : (expect.any(String) as string);
      const first = probeRocksdb(folder);
      expect(await first).toEqual(expected);
      expect(probeRocksdb(join(folder, 'not there'))).toBe(first);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('is given the same folder by a path from where this process runs', async () => {
    const location = join(folder, 'binding.cjs');
    await writeFile(location, 'module.exports = (store) => ({ open() { throw new Error(store); } });');
    expect(await probeBinding(location, relative(process.cwd(), folder))).toContain(`Error: ${folder}`);
  });

  it('outlives a binding that aborts its process, and tells how it ended', { timeout: 60_000 }, async () => {
    expect(await probing(opening('process.abort();'))).toMatch(/ends the process with SIGABRT on Node v\d+/);
  });

  it('tells the error of a binding that cannot be loaded', { timeout: 60_000 }, async () => {
    expect(await probing("throw new Error('No native build was found');")).toMatch(
      /No native build was found/,
    );
  });

  it('tells the error of a store that cannot be opened', { timeout: 60_000 }, async () => {
    expect(await probing(opening("callback(new Error('IO error: full'));"))).toMatch(/IO error: full/);
  });

  it('does not take an early end for a success', { timeout: 60_000 }, async () => {
    expect(await probing(opening('process.exit(0);'))).toMatch(/fails on Node/);
  });

  it('gives up on a binding that hangs', { timeout: 60_000 }, async () => {
    expect(await probing(opening('for (;;);'), 500)).toMatch(/had not ended after 500 ms/);
  });
});
