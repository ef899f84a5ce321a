/** Nodes that encrypt, as whole modules: they work together, turn strangers away, and take renewed certificates. */
import { Test, type TestingModule } from '@nestjs/testing';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../testing/free-port.js';
import { CapturedLog } from '../testing/captured-log.js';
import { rejected } from '../testing/caught.js';
import { certificatesOf, issue } from '../testing/certificates.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';
import { type DkvTlsFiles } from './dkv.tls-options.js';
import { DkvHealthIndicator } from './health/dkv-health-indicator.js';
import { DkvHealthModule } from './health/dkv-health.module.js';
import { type PeerCertificates } from './transport/tls/peer-tls.js';

const API_KEY = 'secret-of-the-tests';
const POLL = { timeout: 30_000, interval: 20 };

const modules: TestingModule[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(modules.splice(0).map((module) => module.close()));
  for (const folder of folders.splice(0)) {
    rmSync(folder, { recursive: true, force: true });
  }
});

class Node {
  readonly log = new CapturedLog();

  constructor(
    readonly name: string,
    readonly port: number,
    private readonly discovery: StaticDiscovery,
  ) {}

  private module: TestingModule | undefined;

  /** Eventual unless told otherwise: strong namespaces of a new cluster begin when all of its nodes have met. */
  async start(options: DkvModuleOptions): Promise<this> {
    const { name: nodeId, port: peerPort, discovery, log: logger } = this;
    const store = DkvModule.forRoot({
      nodeId,
      discovery,
      peerPort,
      peerBind: '127.0.0.1',
      apiKey: API_KEY,
      storage: 'memory',
      mode: 'eventual',
      heartbeatIntervalMs: 50,
      logger,
      ...options,
    });
    this.module = await Test.createTestingModule({ imports: [store, DkvHealthModule] }).compile();
    modules.push(this.module);
    await this.module.init();
    return this;
  }

  get dkv(): Dkv {
    return this.module!.get(Dkv);
  }

  get health(): string {
    return this.module!.get(DkvHealthIndicator).isReady().dkv.status;
  }

  /** How the nodes a, b and c seem from here. */
  get seen(): string {
    return this.dkv
      .cluster()
      .map(({ state }) => state)
      .join(' ');
  }
}

async function threeNodes(): Promise<[Node, Node, Node]> {
  const names = ['a', 'b', 'c'];
  const ports = await Promise.all(names.map(freePort));
  const all = names.map((name, i) => `${name}=127.0.0.1:${ports[i]}`).join(',');
  const nodes = names.map((name, i) => new Node(name, ports[i]!, StaticDiscovery.parse(all)));
  return nodes as [Node, Node, Node];
}

/** What a REST caller gets, over TLS if it has certificates. */
async function rest(port: number, path: string, tls?: Partial<PeerCertificates>): Promise<[number, string]> {
  const options: RequestOptions = { host: '127.0.0.1', port, path, headers: { 'X-Api-Key': API_KEY } };
  const request = tls
    ? httpsRequest({ ...options, ...tls, checkServerIdentity: () => undefined, agent: false })
    : httpRequest({ ...options, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return [response.statusCode ?? 0, await text(response)];
}

describe('three nodes with certificates of one CA', () => {
  it.each<[string, readonly DkvModuleOptions['transport'][]]>([
    ['over streams', ['stream', 'stream', 'stream']],
    ['over HTTP', ['http', 'http', 'http']],
    ['each in its own way', ['stream', 'http', 'stream']],
  ])('write and read together, %s', async (_, transports) => {
    const authority = issue('the CA');
    const nodes = await threeNodes();
    await Promise.all(
      nodes.map((node, i) =>
        node.start({ mode: 'strong', tls: certificatesOf(authority), transport: transports[i] }),
      ),
    );
    for (const node of nodes) {
      await expect.poll(() => `${node.seen}, ${node.health}`, POLL).toBe('up up up, up');
    }
    for (const writer of nodes) {
      const keys = Array.from({ length: 10 }, (_, i) => `${writer.name} ${i}`);
      await Promise.all(keys.map((key) => writer.dkv.addOrUpdate(key, key)));
      for (const reader of nodes) {
        const read = await Promise.all(
          keys.map((key) => reader.dkv.get(key, { consistency: 'linearizable' })),
        );
        expect(read.map((pair) => pair?.value)).toEqual(keys);
      }
    }
    for (const { log } of nodes) {
      expect([...log.warnings, ...log.errors].join()).not.toMatch(/connect|certificate/);
    }
  });

  it('answer REST callers who show one as well, and nobody else', async () => {
    const authority = issue('the CA');
    const [a] = await threeNodes();
    await a.start({ tls: certificatesOf(authority) });
    const [status, body] = await rest(a.port, '/kv/absent', certificatesOf(authority, 'a script'));
    expect([status, body]).toEqual([404, expect.stringContaining('DKV_KEY_NOT_FOUND')]);
    await expect(rest(a.port, '/kv/absent', { ca: authority.cert })).rejects.toThrow();
    const other = { ...certificatesOf(issue('another CA')), ca: authority.cert };
    await expect(rest(a.port, '/kv/absent', other)).rejects.toThrow();
    await expect(rest(a.port, '/kv/absent')).rejects.toThrow();
  });
});

describe('nodes whose certificates are bound to their ids', () => {
  it.each(['stream', 'http'] as const)(
    'work together over %s, and refuse one with the certificate of another',
    async (transport) => {
      const authority = issue('the CA');
      const nodes = await threeNodes();
      const [a, b, c] = nodes;
      const boundTo = (name: string) => ({
        transport,
        tls: { ...certificatesOf(authority, name), bindNodeId: true },
      });
      await a.start(boundTo('a'));
      await b.start(boundTo('b'));
      // It does not look itself, as one that was made to say what it is not.
      await c.start({ transport, tls: certificatesOf(authority, 'x') });
      await expect.poll(() => [a.seen, b.seen], POLL).toEqual(['up up down', 'up up down']);
      await expect
        .poll(() => a.log.warnings.join(), POLL)
        .toMatch(/Node c, at 127\.0\.0\.1, is refused\. The certificate that was shown is not of node c\./);
      await b.dkv.addOrUpdate('k', 1, { consistency: 'one' });
    },
  );
});

describe('a node that', () => {
  const reasons = ({ log }: Node) => log.warnings.filter((line) => /connect/.test(line)).join('\n');

  it.each<[string, () => DkvModuleOptions, RegExp, RegExp]>([
    [
      'has a certificate of another CA',
      () => ({ tls: certificatesOf(issue('another CA')) }),
      /Node [abc] cannot be connected to: its certificate is not accepted \(SELF_SIGNED_CERT_IN_CHAIN\)/,
      /Node [abc] cannot be connected to: its certificate is not accepted/,
    ],
    [
      'has one of another CA, over HTTP',
      () => ({ tls: certificatesOf(issue('another CA')), transport: 'http' }),
      /Node [abc] cannot be connected to: its certificate is not accepted/,
      /Node [abc] cannot be connected to: its certificate is not accepted/,
    ],
    [
      'does not encrypt',
      () => ({}),
      /A connection to the peer port from 127\.0\.0\.1 was refused: it does not encrypt\. Give every node the option tls/,
      /^$/,
    ],
  ])('%s gets nowhere, and the log says why', async (_, options, toldToOthers, toldToIt) => {
    const authority = issue('the CA');
    const [a, b, c] = await threeNodes();
    await Promise.all([
      a.start({ tls: certificatesOf(authority) }),
      b.start({ tls: certificatesOf(authority), transport: 'http' }),
      c.start(options()),
    ]);
    await expect.poll(() => a.seen, POLL).toBe('up up down');
    await expect.poll(() => b.seen, POLL).toBe('up up down');
    await expect.poll(() => c.seen, POLL).toBe('down down up');
    await expect.poll(() => a.health, POLL).toBe('degraded');
    await expect.poll(() => c.health, POLL).toBe('degraded');

    await a.dkv.addOrUpdate('k', 'v');
    expect(await b.dkv.get('k', { consistency: 'quorum' })).toMatchObject({ value: 'v' });
    expect(await c.dkv.get('k')).toBeUndefined();
    expect((await rejected(c.dkv.addOrUpdate('k', 'w', { timeoutMs: 2_000 }))).code).toBe(
      'DKV_QUORUM_NOT_REACHED',
    );
    expect(reasons(a)).toMatch(toldToOthers);
    expect(reasons(b)).toMatch(toldToOthers);
    expect(reasons(c)).toMatch(toldToIt);
  });
});

describe('renewed certificates', () => {
  it('of another CA, written over the files, reach both ends of new connections without a restart', async () => {
    const [before, after] = [issue('the CA before'), issue('the CA after')];
    const [a, b, c] = await threeNodes();
    const [filesOfA, filesOfB] = [newFiles(certificatesOf(before)), newFiles(certificatesOf(before))];
    await Promise.all([a.start({ tls: filesOfA }), b.start({ tls: filesOfB, transport: 'http' })]);
    // Shows the new CA's and takes no other: as it is met by either side, that side has changed over.
    await c.start({ tls: certificatesOf(after) });
    for (const node of [a, b]) {
      await expect.poll(() => node.seen, POLL).toBe('up up down');
    }
    await a.dkv.addOrUpdate('k', 'written before');

    for (const files of [filesOfA, filesOfB]) {
      const renewed = certificatesOf(after, 'renewed');
      write(files, { ...renewed, ca: before.cert + after.cert });
    }
    for (const node of [a, b, c]) {
      await expect.poll(() => `${node.seen}, ${node.health}`, POLL).toBe('up up up, up');
    }
    expect(await c.dkv.get('k', { consistency: 'quorum' })).toMatchObject({ value: 'written before' });
    for (const node of [a, b]) {
      expect(node.log.lines.filter((line) => /renewed certificates, valid until/.test(line))).toHaveLength(1);
    }
  });

  it('that cannot be used change nothing, which the log says', async () => {
    const authority = issue('the CA');
    const [a, b] = await threeNodes();
    const files = newFiles(certificatesOf(authority));
    await a.start({ tls: files });
    write(files, { ...certificatesOf(authority), ca: issue('another CA').cert });
    // Makes the first connection, either way.
    await b.start({ tls: () => certificatesOf(authority) });
    await expect.poll(() => `${a.seen}, ${b.seen}`, POLL).toBe('up up down, up up down');
    await expect
      .poll(() => a.log.errors.join(), POLL)
      .toMatch(
        /could not be renewed, those of before are kept: tls\.certFile ".*" \(CN=a node\) was issued by CN=the CA/,
      );
    expect(a.seen).toBe('up up down');
  });
});

function newFiles(certificates: PeerCertificates): DkvTlsFiles {
  const folder = mkdtempSync(join(tmpdir(), 'dkv-tls-'));
  folders.push(folder);
  const at = (name: string) => join(folder, name);
  const files = { keyFile: at('tls.key'), certFile: at('tls.crt'), caFile: at('ca.crt') };
  write(files, certificates);
  return files;
}

function write({ keyFile, certFile, caFile }: DkvTlsFiles, { key, cert, ca }: PeerCertificates): void {
  writeFileSync(keyFile, key);
  writeFileSync(certFile, cert);
  writeFileSync(caFile, ca);
}
