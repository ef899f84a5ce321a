/** What docs/tls.md says to type makes certificates that three nodes work with, and renews them. */
import { Test, type TestingModule } from '@nestjs/testing';
import { Dkv, DkvModule, StaticDiscovery } from 'nestjs-dkv';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { freePorts } from '../../apps/bench/src/processes/free-port.js';

const guide = readFileSync(new URL('../../docs/tls.md', import.meta.url), 'utf8');
const [forTheCluster, forANode] = [...guide.matchAll(/^```sh\n(openssl .*?)^```$/gms)].map(
  ([, commands]) => commands!,
);
const [, asksByRest] = /^```sh\n(curl .*)\n```$/m.exec(guide)!;
const folder = mkdtempSync(join(tmpdir(), 'dkv-tls-guide-'));
const run = (commands: string) => execFileSync('sh', ['-ec', commands], { cwd: folder, stdio: 'pipe' });
const modules: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(modules.splice(0).map((module) => module.close()));
  rmSync(folder, { recursive: true, force: true });
});

it('three nodes work with what the commands of the guide make, also with what they make anew', async () => {
  run(forTheCluster!);
  run(forANode!);
  const names = ['a', 'b', 'c'];
  const ports = await freePorts(names.length);
  const nodes = names.map((name, at) => `${name}=127.0.0.1:${ports[at]}`).join(',');
  const start = async (at: number): Promise<Dkv> => {
    const options = DkvModule.forRoot({
      nodeId: names[at],
      discovery: StaticDiscovery.parse(nodes),
      apiKey: 'secret-of-the-tests',
      peerPort: ports[at],
      peerBind: '127.0.0.1',
      storage: 'memory',
      tls: {
        keyFile: join(folder, 'tls.key'),
        certFile: join(folder, 'tls.crt'),
        caFile: join(folder, 'ca.crt'),
      },
      logger: { log() {}, warn() {}, error() {} },
    });
    const module = await Test.createTestingModule({ imports: [options] }).compile();
    modules.push(await module.init());
    return module.get(Dkv);
  };
  const others = await Promise.all([start(0), start(1)]);
  const before = readFileSync(join(folder, 'tls.crt'), 'utf8');
  run(forANode!);
  expect(readFileSync(join(folder, 'tls.crt'), 'utf8')).not.toBe(before);
  const last = await start(2);
  const all = [...others, last];
  const states = () => all.map((dkv) => dkv.cluster().map(({ state }) => state)).join(' ');
  await expect.poll(states, { timeout: 60_000, interval: 50 }).toBe('up,up,up up,up,up up,up,up');
  await expect
    .poll(
      () =>
        last.addOrUpdate('user:7', 1).then(
          () => true,
          () => false,
        ),
      { timeout: 60_000 },
    )
    .toBe(true);
  for (const dkv of all) {
    expect((await dkv.get('user:7', { consistency: 'linearizable' }))?.value).toBe(1);
  }
  const typed = asksByRest!
    .replace('curl ', `curl -sS --noproxy '*' --resolve node1:${ports[0]}:127.0.0.1 `)
    .replace('node1:7000', `node1:${ports[0]}`);
  const env = { ...process.env, DKV_API_KEY: 'secret-of-the-tests' };
  const { stdout } = await promisify(execFile)('sh', ['-ec', typed], { cwd: folder, env });
  expect(JSON.parse(stdout)).toMatchObject({ key: 'user:7', value: expect.any(String) as string });
});
