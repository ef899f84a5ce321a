/** Errors between nodes as callers meet them, from whole modules over loopback: each with the remedy of docs/errors.md, followed. */
import { Test, type TestingModule } from '@nestjs/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../testing/free-port.js';
import { CapturedLog } from '../testing/captured-log.js';
import { rejected } from '../testing/caught.js';
import { TcpRelay } from '../testing/transport/tcp-relay.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';

const NODE_IDS = ['a', 'b', 'c'];
const POLL = { timeout: 60_000, interval: 20 };
const LATER_FORMAT = 99;
const CORRECT_THE_ADDRESS = 'Discovery gives the address of one node for that of another: correct it.';
/** Of calls that must not end before the test lets them. */
const PATIENT = { timeoutMs: 60_000 };

type Addresses = Readonly<Record<string, number>>;
type Library = { readonly Dkv: typeof Dkv; readonly DkvModule: typeof DkvModule };

const running = new Map<string, TestingModule>();
const relays: TcpRelay[] = [];
let ports: Addresses;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dkv-remedies-'));
  const free = await Promise.all(NODE_IDS.map(freePort));
  ports = Object.fromEntries(NODE_IDS.map((nodeId, index) => [nodeId, free[index]!]));
});

afterEach(async () => {
  await Promise.all([...running.keys()].map(stop));
  await Promise.all(relays.splice(0).map((relay) => relay.close()));
  rmSync(folder, { recursive: true, force: true });
});

interface Start {
  /** Where its discovery says that the others listen. Default: where they do. */
  readonly addresses?: Addresses;
  readonly options?: DkvModuleOptions;
  readonly library?: Library;
}

/** A node with its own folder. A key has one copy, so a call elsewhere is one request to the node that holds it. */
async function start(nodeId: string, how: Start = {}): Promise<Dkv<string>> {
  const { addresses = ports, options, library = { Dkv, DkvModule } } = how;
  const entries = NODE_IDS.map((id) => `${id}=127.0.0.1:${id === nodeId ? ports[id] : addresses[id]}`);
  const store = library.DkvModule.forRoot({
    nodeId,
    discovery: StaticDiscovery.parse(entries.join(',')),
    peerBind: '127.0.0.1',
    apiKey: 'secret-of-the-tests',
    dataDir: join(folder, nodeId),
    storage: 'classic-level',
    mode: 'eventual',
    replicas: 0,
    // Peers that were not heard of yet are asked all the same for as long.
    electionTimeoutMs: 60_000,
    maxClockOffsetMs: 50,
    logger: new CapturedLog(),
    ...options,
  });
  const module = await Test.createTestingModule({ imports: [store] }).compile();
  running.set(nodeId, module);
  await module.init();
  return module.get<Dkv<string>>(library.Dkv);
}

async function stop(nodeId: string): Promise<void> {
  const module = running.get(nodeId);
  running.delete(nodeId);
  await module?.close();
}

/** The library as a version that speaks another format between peers. */
async function laterLibrary(): Promise<Library> {
  vi.resetModules();
  vi.doMock('./transport/messages/limits.js', async (original) => ({
    ...(await original<object>()),
    PEER_FORMAT: LATER_FORMAT,
  }));
  try {
    return { ...(await import('./dkv.js')), ...(await import('./dkv.module.js')) };
  } finally {
    vi.doUnmock('./transport/messages/limits.js');
    vi.resetModules();
  }
}

function keyHeldBy(nodeId: string, dkv: Dkv<string>): string {
  const keys = Array.from({ length: 1_000 }, (_, number) => `k${number}`);
  return keys.find((key) => dkv.nodesOf(key)[0] === nodeId)!;
}

/** Waits until a read at `dkv` gives `told`, or fails saying that: peers are connected to again with pauses. */
function untilReads(dkv: Dkv<string>, key: string, told: string): Promise<void> {
  const read = () =>
    dkv.get(key).then(
      (found) => found?.value,
      (error: Error) => error.message,
    );
  return expect.poll(read, POLL).toContain(told);
}

describe.each(['stream', 'http'] as const)('over %s', (transport) => {
  const options = { transport };

  it.each<[which: string, wrong: () => Addresses, told: RegExp]>([
    [
      'of a third node',
      () => ({ b: ports.c!, c: ports.b! }),
      /^Node c holds no copy of .*: its nodes are b\. /,
    ],
    [
      'of the asker',
      () => ({ b: ports.a! }),
      /^The write of key ".*" came back to node a; it has been at a\. /,
    ],
  ])(
    'DKV_FORWARDING_LOOP: the address %s for that of the holder, until it is corrected',
    async (_, wrong, told) => {
      const [b] = await Promise.all([start('b', { options }), start('c', { options })]);
      const a = await start('a', { addresses: { ...ports, ...wrong() }, options });
      const key = keyHeldBy('b', a);
      await b.addOrUpdate(key, 'before');
      await untilReads(a, key, CORRECT_THE_ADDRESS);
      const read = await rejected(a.get(key));
      expect(read).toMatchObject({
        code: 'DKV_QUORUM_NOT_REACHED',
        cause: { code: 'DKV_FORWARDING_LOOP' },
      });
      const error = await rejected(a.addOrUpdate(key, 'after'));
      expect(error.code).toBe('DKV_FORWARDING_LOOP');
      expect(error.message).toMatch(told);
      expect(error.message).toContain(CORRECT_THE_ADDRESS);
      expect((await b.getOrThrow(key)).value).toBe('before');

      await stop('a');
      const corrected = await start('a', { options });
      expect((await corrected.getOrThrow(key)).value).toBe('before');
      await corrected.addOrUpdate(key, 'after');
      expect((await b.getOrThrow(key)).value).toBe('after');
    },
  );

  it('DKV_PEER_UNREACHABLE: nothing is sent to a node that is not there, until it is started', async () => {
    const earlier = await start('b', { options });
    const key = keyHeldBy('b', earlier);
    await earlier.addOrUpdate(key, 'before');
    await stop('b');
    const a = await start('a', { options });
    const error = await rejected(a.addOrUpdate(key, 'after'));
    expect(error).toMatchObject({ code: 'DKV_QUORUM_NOT_REACHED', cause: { code: 'DKV_PEER_UNREACHABLE' } });
    expect(error.message).toMatch(
      new RegExp(`nothing was written.* Node b at 127\\.0\\.0\\.1:${ports.b}: .*ECONNREFUSED`),
    );

    const b = await start('b', { options });
    await untilReads(a, key, 'before');
    await a.addOrUpdate(key, 'after');
    expect((await b.getOrThrow(key)).value).toBe('after');
  });

  it('DKV_PEER_DISCONNECTED: a read tells what became of the write, once the network is whole', async () => {
    const relay = await TcpRelay.to(ports.b);
    relays.push(relay);
    const b = await start('b', { options });
    const a = await start('a', { addresses: { ...ports, b: relay.port }, options });
    const key = keyHeldBy('b', a);
    await a.addOrUpdate(key, 'before');
    const passAnswers = relay.holdAnswers();
    const failure = rejected(a.addOrUpdate(key, 'after', PATIENT));
    await untilReads(b, key, 'after');
    relay.reset();
    passAnswers();
    const error = await failure;
    expect(error).toMatchObject({ code: 'DKV_INDETERMINATE', cause: { code: 'DKV_PEER_DISCONNECTED' } });
    expect(error.message).toMatch(
      new RegExp(`Node b at 127\\.0\\.0\\.1:${relay.port}: .*consistency 'quorum' tells`),
    );

    await untilReads(a, key, 'after');
    expect(await a.get(key, { consistency: 'quorum' })).toMatchObject({ value: 'after' });
    await a.addOrUpdate(key, 'later');
    expect((await b.getOrThrow(key)).value).toBe('later');
  });

  it('DKV_PROTOCOL: a version of another format, until every node runs it', async () => {
    const library = await laterLibrary();
    const earlier = await start('b', { options });
    const key = keyHeldBy('b', earlier);
    await earlier.addOrUpdate(key, 'before');
    await stop('b');
    const b = await start('b', { options, library });
    const a = await start('a', { options });
    expect(await rejected(a.get(key))).toMatchObject({
      code: 'DKV_QUORUM_NOT_REACHED',
      cause: { code: 'DKV_PROTOCOL' },
    });
    const written = await rejected(a.addOrUpdate(key, 'after'));
    expect(written).toMatchObject({ code: 'DKV_INDETERMINATE', cause: { code: 'DKV_PROTOCOL' } });
    expect(written.message).toMatch(
      /speaks format 99, and the peer \d+\. Run versions of nestjs-dkv that share a format\./,
    );
    expect((await b.getOrThrow(key)).value).toBe('before');

    await stop('a');
    const upgraded = await start('a', { options, library });
    await untilReads(upgraded, key, 'before');
    await upgraded.addOrUpdate(key, 'after');
    expect((await b.getOrThrow(key)).value).toBe('after');
  });

  it('DKV_PROTOCOL: an answer that is larger than the asker allows, until both allow it', async () => {
    const large = { ...options, valueBytesMax: 4_000_000 };
    const b = await start('b', { options: large });
    const a = await start('a', { options });
    const key = keyHeldBy('b', a);
    const value = 'v'.repeat(3_000_000);
    await b.addOrUpdate(key, value);
    const error = await rejected(a.get(key));
    expect(error).toMatchObject({ code: 'DKV_QUORUM_NOT_REACHED', cause: { code: 'DKV_PROTOCOL' } });
    expect(error.message).toContain('Give every node the same valueBytesMax.');

    await stop('a');
    const widened = await start('a', { options: large });
    expect((await widened.getOrThrow(key)).value === value).toBe(true);
  });
});
