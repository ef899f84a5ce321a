/** What operators learn from whole modules: of a node that is alone, in process and on its port, and of two that encrypt. */
import { Test, type TestingModule } from '@nestjs/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../testing/captured-log.js';
import { rejected } from '../testing/caught.js';
import { issue } from '../testing/certificates.js';
import { freePort } from '../testing/free-port.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { DkvAdmin } from './dkv.admin.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';
import { getDkvToken } from './dkv.tokens.js';
import { DKV_VERSION } from './dkv.version.js';

const POLL = { timeout: 60_000, interval: 20 };

const modules: TestingModule[] = [];
const folders: string[] = [];
let log: CapturedLog;

afterEach(async () => {
  await Promise.all(modules.splice(0).map((module) => module.close()));
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

async function boot(options: DkvModuleOptions = {}): Promise<TestingModule> {
  log = new CapturedLog();
  const imports = [
    DkvModule.forRoot({ nodeId: 'a', storage: 'memory', partitions: 4, logger: log, ...options }),
    DkvModule.forFeature([{ name: 'presence', mode: 'eventual' }]),
  ];
  const module = await Test.createTestingModule({ imports }).compile();
  modules.push(module);
  await module.init();
  return module;
}

/** Ends the module that has it. */
async function closing(admin: DkvAdmin): Promise<void> {
  const module = modules.find((each) => each.get(DkvAdmin) === admin)!;
  modules.splice(modules.indexOf(module), 1);
  await module.close();
}

describe('a node that is alone', () => {
  it('tells of itself as a cluster of one', async () => {
    const admin = (await boot()).get(DkvAdmin);
    await expect
      .poll(async () => (await admin.cluster()).members[0], POLL)
      .toMatchObject({ ready: true, leads: 4 });
    expect(await admin.cluster()).toEqual({
      answeredBy: 'a',
      version: DKV_VERSION,
      clusterId: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      epoch: expect.any(Number) as number,
      partitions: 4,
      replicas: 2,
      copiesHeld: 1,
      hashFunc: 'md5',
      preferredZones: [],
      health: 'ok',
      reason: '',
      members: [
        {
          nodeId: 'a',
          host: expect.any(String) as string,
          port: 7000,
          zone: '',
          weight: 1,
          state: 'up',
          ready: true,
          leads: 4,
          partitions: { holder: 4, replica: 0 },
          votersMissing: 0,
          reason: '',
          membership: 'member',
          copies: { held: 4, target: 4 },
          keepsConfiguration: true,
        },
      ],
      candidates: [],
      partitionsWithoutQuorum: 0,
      partitionsUnderReplicated: 0,
      namespaces: [
        { name: 'default', mode: 'strong', copies: 3 },
        { name: 'presence', mode: 'eventual', copies: 3 },
      ],
    });
  });

  it('tells of its partitions, all of which it leads, and hands them to nobody else', async () => {
    const admin = (await boot()).get(DkvAdmin);
    await expect.poll(async () => (await admin.cluster()).health, POLL).toBe('ok');
    const reports = await admin.partitions();
    expect(reports).toHaveLength(4);
    expect(reports[3]).toMatchObject({
      partition: 3,
      group: 3,
      copies: 3,
      list: ['a'],
      leader: 'a',
      takesWrites: true,
      voters: ['a'],
      members: [{ nodeId: 'a', role: 'leader' }],
    });
    await admin.transferLeadership(3, 'a');
    expect(await rejected(admin.transferLeadership(3, 'b'))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
    await expect(admin.transferLeadership('3' as never, 'a')).rejects.toThrow(TypeError);
    await expect(admin.transferLeadership(3, undefined as never)).rejects.toThrow(TypeError);
  });

  it('has nothing on its way, and takes in nobody who does not wait to join', async () => {
    const admin = (await boot()).get(DkvAdmin);
    expect(await admin.moves()).toMatchObject({ isSettled: true, moving: [], waiting: 0 });
    expect(await rejected(admin.admit('z'))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
    expect(log.warnings.filter((line) => line.startsWith('Members'))).toEqual([
      expect.stringMatching(/^Members, by the API: node z is to join; without success: DKV_INVALID_ARGUMENT/),
    ]);
  });

  it('explains keys of both modes', async () => {
    const module = await boot();
    const admin = module.get(DkvAdmin);
    const strong = await module.get<Dkv<string>>(Dkv).addOrUpdate('k', 'value');
    const eventual = await module.get<Dkv<string>>(getDkvToken('presence')).addOrUpdate('k', 'value');
    expect(await admin.explain('default', 'k')).toMatchObject({
      mode: 'strong',
      // The first four bytes of the MD5 of "k".
      hash: '8ce4b16b',
      leader: 'a',
      copies: [{ nodeId: 'a', group: { role: 'leader' }, record: { version: strong.version } }],
      findings: [],
    });
    const { copies, leader } = await admin.explain('presence', 'k');
    expect([leader, copies]).toEqual(['', [{ nodeId: 'a', hintBytes: 0, record: copies[0]!.record }]]);
    expect(copies[0]!.record).toMatchObject({ version: eventual.version, isTombstone: false });
    expect(await rejected(admin.explain('none', 'k'))).toMatchObject({ code: 'DKV_UNKNOWN_NAMESPACE' });
    await expect(admin.explain(undefined as never, 'k')).rejects.toThrow(TypeError);
    await expect(admin.explain('default', 5 as never)).rejects.toThrow(TypeError);
  });

  it('diagnoses what it keeps in memory', async () => {
    const diagnosis = await (await boot()).get(DkvAdmin).diagnose();
    expect(diagnosis).toEqual({
      nodeId: 'a',
      version: DKV_VERSION,
      runtime: process.versions.node,
      startedAt: expect.any(Number) as number,
      now: expect.any(Number) as number,
      storage: { engine: 'memory', folder: '', durability: 'wal', failure: '', isDiskFull: false },
      peers: [],
    });
    expect(diagnosis.now).toBeGreaterThanOrEqual(diagnosis.startedAt);
  });

  it('diagnoses its folder and the disk of it', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'dkv-admin-'));
    folders.push(dataDir);
    const module = await boot({ storage: 'classic-level', dataDir, durability: 'fsync' });
    const { storage } = await module.get(DkvAdmin).diagnose();
    expect(storage).toMatchObject({
      engine: 'classic-level',
      folder: dataDir,
      durability: 'fsync',
      failure: '',
    });
    expect(storage.freeBytes).toBeGreaterThan(0);
    expect(storage.totalBytes).toBeGreaterThanOrEqual(storage.freeBytes!);
  });

  it('has no port, unless it has an admin key: that opens it, for operators alone', async () => {
    await boot();
    expect(log.lines.find((line) => line.includes('starts'))).toMatch(/, no peers\.$/);
    const peerPort = await freePort();
    const module = await boot({ adminKey: 'secret-of-operators', peerPort, peerBind: '127.0.0.1' });
    expect(log.lines.find((line) => line.includes('starts'))).toContain(`, peer port ${peerPort}, no peers.`);
    await module.get<Dkv<string>>(Dkv).addOrUpdate('k', 'value');
    const ask = async (path: string, headers: Record<string, string>) => {
      const answer = await fetch(`http://127.0.0.1:${peerPort}${path}`, { headers });
      return [answer.status, await answer.json()] as [number, Record<string, unknown>];
    };
    const key = { 'X-Admin-Key': 'secret-of-operators' };
    await expect
      .poll(() => ask('/admin/cluster', key), POLL)
      .toMatchObject([200, { answeredBy: 'a', health: 'ok' }]);
    expect(await ask('/kv/k', key)).toMatchObject([200, { key: 'k' }]);
    const headers = { ...key, 'Content-Type': 'application/json' };
    const join = { method: 'POST', headers, body: '{"nodeId":"z"}' };
    const refused = await fetch(`http://127.0.0.1:${peerPort}/admin/admit`, join);
    expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'DKV_INVALID_ARGUMENT' }]);
    expect(log.warnings.at(-1)).toMatch(/^Members, by the admin port: node z is to join; without success/);
    expect(await ask('/admin/cluster', {})).toMatchObject([403, { code: 'DKV_FORBIDDEN' }]);
    expect(await ask('/peer/get', key)).toMatchObject([403, { code: 'DKV_FORBIDDEN' }]);
    expect(await ask('/peer/get', { 'X-Api-Key': '' })).toMatchObject([403, { code: 'DKV_FORBIDDEN' }]);
  });
});

it('a node among others tells what it knows of them, and what certificate it shows', async () => {
  const ports = { a: await freePort(), b: await freePort() };
  const ca = issue('the CA');
  const nodes = Object.entries(ports).map(([nodeId, port]) => `${nodeId}=127.0.0.1:${port}`);
  const admins = await Promise.all(
    (['a', 'b'] as const).map(async (nodeId) => {
      const discovery = StaticDiscovery.parse(nodes.join());
      const options = { nodeId, discovery, apiKey: 'secret-of-nodes', peerBind: '127.0.0.1' };
      const { key, cert } = issue(`node ${nodeId}`, { issuer: ca, until: '20990101' });
      const tls = { key, cert, ca: ca.cert };
      return (await boot({ ...options, tls, heartbeatIntervalMs: 20, maxClockOffsetMs: 300 })).get(DkvAdmin);
    }),
  );
  const seen = async () => {
    const { members, health } = await admins[0]!.cluster();
    return [health, members.map(({ ready }) => ready), members.reduce((sum, { leads }) => sum + leads, 0)];
  };
  await expect.poll(seen, POLL).toEqual(['ok', [true, true], 4]);
  const { members } = await admins[0]!.cluster();
  expect(members[0]).not.toHaveProperty('clockOffsetMs');
  expect(members[1]).toMatchObject({ nodeId: 'b', state: 'up', clockOffsetMs: expect.any(Number) as number });
  const diagnosis = await admins[0]!.diagnose();
  expect(diagnosis.certificate).toEqual({ subject: 'CN=node a', validTo: Date.UTC(2099, 0, 1) });
  expect(diagnosis.peers).toEqual([
    {
      nodeId: 'b',
      state: 'up',
      roundTripMs: expect.any(Number) as number,
      clockOffsetMs: expect.any(Number) as number,
    },
  ]);
  await closing(admins[1]!);
  const { peers } = await admins[0]!.diagnose();
  expect(peers[0]).toMatchObject({ nodeId: 'b', error: expect.any(String) as string });
  expect(peers[0]).not.toHaveProperty('roundTripMs');
});
