/** What an operator learns of peers that come, go and are refused, from whole modules: log, status and metrics. */
import { Test, type TestingModule } from '@nestjs/testing';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../testing/free-port.js';
import { CapturedLog } from '../testing/captured-log.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { Dkv } from './dkv.js';
import { DkvLifecycle } from './dkv.lifecycle.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';
import { DkvRegistry } from './dkv.tokens.js';

const POLL = { timeout: 30_000, interval: 20 };
const modules: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(modules.splice(0).map((module) => module.close()));
});

class Node {
  readonly log = new CapturedLog();
  private module: TestingModule | undefined;

  constructor(
    private readonly nodeId: string,
    private readonly discovery: StaticDiscovery,
  ) {}

  async start(options: DkvModuleOptions = {}): Promise<void> {
    const store = DkvModule.forRoot({
      nodeId: this.nodeId,
      discovery: this.discovery,
      peerBind: '127.0.0.1',
      apiKey: 'secret-of-the-tests',
      storage: 'memory',
      mode: 'eventual',
      heartbeatIntervalMs: 20,
      electionTimeoutMs: 300,
      maxClockOffsetMs: 300,
      logger: this.log,
      ...options,
    });
    this.module = await Test.createTestingModule({ imports: [store] }).compile();
    modules.push(this.module);
    await this.module.init();
  }

  async stop(): Promise<void> {
    await this.module!.close();
    modules.splice(modules.indexOf(this.module!), 1);
  }

  get peer() {
    return this.module!.get(Dkv)
      .cluster()
      .find(({ nodeId }) => nodeId !== this.nodeId)!;
  }

  get port(): number {
    return this.module!.get(Dkv)
      .cluster()
      .find(({ nodeId }) => nodeId === this.nodeId)!.port;
  }

  get ready(): boolean {
    return this.module!.get(Dkv).metrics().ready;
  }

  get unreadyReason(): string {
    return this.module!.get(DkvLifecycle).unreadyReason;
  }

  async metrics(start: string): Promise<string[]> {
    const text = await this.module!.get<Registry>(DkvRegistry).metrics();
    return text.split('\n').filter((line) => line.startsWith(start));
  }

  /** Lines about nodes but a, so far. */
  get told(): string[] {
    return [...this.log.warnings, ...this.log.lines].filter((line) => /^Node (?!a)/.test(line));
  }
}

async function twoNodes(): Promise<[Node, Node]> {
  const names = ['a', 'b'];
  const ports = await Promise.all(names.map(freePort));
  const discovery = StaticDiscovery.parse(names.map((name, i) => `${name}=127.0.0.1:${ports[i]}`).join(','));
  return names.map((name) => new Node(name, discovery)) as [Node, Node];
}

describe.each(['stream', 'http'] as const)('over %s, a peer', (transport) => {
  it('that stops and is started again is told of without a warning', async () => {
    const [a, b] = await twoNodes();
    await a.start({ transport });
    await b.start({ transport });
    await expect.poll(() => `${a.peer.state} ${b.peer.state}`, POLL).toBe('up up');
    expect(await a.metrics('dkv_peer_up')).toEqual(['dkv_peer_up{peer="b"} 1']);
    a.log.lines.length = 0;
    await b.stop();
    await expect.poll(() => `${a.peer.state} ${a.peer.trouble}`, POLL).toBe('down stopped');
    expect(await a.metrics('dkv_peer_up')).toEqual(['dkv_peer_up{peer="b"} 0']);
    await b.start({ transport });
    await expect.poll(() => a.peer.state, POLL).toBe('up');
    expect(a.told).toEqual([
      'Node b has stopped. Its partitions are led by others.',
      expect.stringMatching(/^Node b is back after [\d.]+ s \(stopped\)\.$/),
    ]);
    // A loop that stood still takes what arrives late for a clock that is behind, until the next heartbeat.
    await expect.poll(() => a.peer.trouble, POLL).toBeUndefined();
  });

  it('with another api key is told of on both sides, once, and counted', async () => {
    const [a, b] = await twoNodes();
    await Promise.all([a.start({ transport }), b.start({ transport, apiKey: 'another-secret' })]);
    const count = async (node: Node) => {
      const [line] = await node.metrics('dkv_peer_refusals_total');
      return Number(/reason="key"\} (\d+)$/.exec(line ?? '')?.[1] ?? 0);
    };
    await expect.poll(() => count(a), POLL).toBeGreaterThan(4);
    await expect.poll(() => count(b), POLL).toBeGreaterThan(4);
    const keys = ({ log }: Node) => log.warnings.filter((line) => line.includes('apiKey'));
    expect(keys(a)).toEqual([expect.stringMatching(/^Node b(, at 127\.0\.0\.1,)? .*apiKey/)]);
    expect(keys(b)).toEqual([expect.stringMatching(/^Node a(, at 127\.0\.0\.1,)? .*apiKey/)]);
    expect([a.peer.trouble, b.peer.trouble]).toEqual(['key', 'key']);
  });
});

describe('a node that is started', () => {
  const readyLine = ({ log }: Node) => log.lines.find((line) => line.includes(' is ready'));

  it('says in one line what it is, and when it is ready how many nodes it has seen', async () => {
    const [a] = await twoNodes();
    await a.start();
    expect(a.log.lines.filter((line) => line.startsWith('Node a starts'))).toEqual([
      expect.stringMatching(
        /^Node a starts: nestjs-dkv \d[^ ]* on Node\.js \d[^ ]*, engine memory, nothing on disk, peer port \d+, peers b\.$/,
      ),
    ]);
    await expect.poll(() => readyLine(a), POLL).toBe('Node a is ready, 1 of 2 nodes seen.');
  });

  it('waits for a majority where it is told to, and not for one that goes later', async () => {
    const [a, b] = await twoNodes();
    await a.start({ readyAtQuorum: true });
    await expect
      .poll(() => a.unreadyReason, POLL)
      .toBe('1 of 2 nodes were seen since it was started, not b (readyAtQuorum)');
    expect([a.ready, readyLine(a)]).toEqual([false, undefined]);
    await b.start();
    await expect.poll(() => readyLine(a), POLL).toBe('Node a is ready, 2 of 2 nodes seen.');
    await b.stop();
    await expect.poll(() => a.peer.state, POLL).toBe('down');
    expect(a.ready).toBe(true);
  });

  it('has figures of its process among its metrics where it is told to', async () => {
    const [a, b] = await twoNodes();
    await Promise.all([a.start({ processMetrics: true }), b.start()]);
    expect(await a.metrics('process_resident_memory_bytes')).toHaveLength(1);
    expect(await a.metrics('nodejs_eventloop_lag_seconds')).toHaveLength(1);
    expect(await b.metrics('process_')).toEqual([]);
  });
});

describe('the peer port', () => {
  const KEY = { 'X-Api-Key': 'secret-of-the-tests' };
  const SPEAKER = { 'X-Dkv-Node': 'b', 'X-Dkv-Format': '99' };
  const ask = async (port: number, method: string, path: string, headers: Record<string, string>) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'close');
    return response.statusCode;
  };

  it('counts its requests by route and status, whatever was asked for', async () => {
    const [a] = await twoNodes();
    await a.start();
    expect(await ask(a.port, 'GET', '/kv/absent', KEY)).toBe(404);
    expect(await ask(a.port, 'GET', '/kv/another', KEY)).toBe(404);
    expect(await ask(a.port, 'GET', '/kv/absent', {})).toBe(403);
    expect(await ask(a.port, 'GET', '/no/such/route', KEY)).toBe(404);
    const upgrade = { ...KEY, Connection: 'Upgrade', Upgrade: 'another-protocol' };
    expect(await ask(a.port, 'GET', '/peer/stream', upgrade)).toBe(404);
    expect(await a.metrics('dkv_peer_port_requests_total')).toEqual([
      'dkv_peer_port_requests_total{route="GET /kv/:key",status="404"} 2',
      'dkv_peer_port_requests_total{route="GET /kv/:key",status="403"} 1',
      'dkv_peer_port_requests_total{route="other",status="404"} 1',
      'dkv_peer_port_requests_total{route="GET /peer/stream",status="404"} 1',
    ]);
    expect(await a.metrics('dkv_peer_port_request_duration_seconds_count{route="GET /kv/:key"}')).toEqual([
      'dkv_peer_port_request_duration_seconds_count{route="GET /kv/:key"} 3',
    ]);
  });

  it('tells of peers of another version, and of strangers without the key, but not of REST callers', async () => {
    const [a] = await twoNodes();
    await a.start();
    const upgrade = { Connection: 'Upgrade', Upgrade: 'dkv-peer', 'X-Dkv-Lane': 'live' };
    await ask(a.port, 'POST', '/peer/get', { ...KEY, ...SPEAKER });
    await ask(a.port, 'GET', '/peer/stream', { ...KEY, ...SPEAKER, ...upgrade });
    await ask(a.port, 'POST', '/peer/get', {});
    await ask(a.port, 'GET', '/kv/absent', {});
    expect(await a.metrics('dkv_peer_refusals_total')).toEqual([
      'dkv_peer_refusals_total{peer="b",reason="version"} 2',
      'dkv_peer_refusals_total{peer="unknown",reason="key"} 1',
    ]);
    expect(a.log.warnings.filter((line) => line.includes('is refused'))).toEqual([
      expect.stringMatching(
        /^Node b, at 127\.0\.0\.1, is refused: This node speaks format \d+, and the peer 99\./,
      ),
      'A caller at 127.0.0.1 is refused: its apiKey is missing or another one. Give every node the same.',
    ]);
    expect(a.peer.trouble).toBe('version');
  });

  it('counts the streams of peers and what comes over them', async () => {
    const [a, b] = await twoNodes();
    await Promise.all([a.start(), b.start()]);
    const value = async (name: string) => Number((await a.metrics(`${name} `))[0]?.split(' ')[1] ?? 0);
    await expect.poll(() => value('dkv_peer_port_frames_total'), POLL).toBeGreaterThan(5);
    expect(await value('dkv_peer_port_frame_bytes_total')).toBeGreaterThan(500);
    expect(await value('dkv_peer_port_streams')).toBe(1);
    await b.stop();
    await expect.poll(() => value('dkv_peer_port_streams'), POLL).toBe(0);
  });
});
