/** One process by itself: how it starts, refuses to start, and stops. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { API_KEY } from './demo-cluster.js';
import { DemoNode } from './demo-node.js';
import { pickFreePorts } from './free-ports.js';
import { until } from './until.js';

describe('one process', { timeout: 300_000 }, () => {
  let folder: string;
  let nodes: DemoNode[];
  let blocker: Server | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dkv-e2e-'));
    nodes = [];
  });

  afterEach(async () => {
    blocker?.close();
    blocker = undefined;
    await Promise.all(nodes.filter(({ running }) => running).map((node) => node.kill9()));
    await rm(folder, { recursive: true, force: true });
  });

  async function newNode(env: Record<string, string> = {}): Promise<DemoNode> {
    const [port, peerPort] = (await pickFreePorts(2)) as [number, number];
    const node = new DemoNode({ id: 'node1', port, peerPort, dataDir: join(folder, 'node1'), env });
    nodes.push(node);
    return node;
  }

  /** Variables that make a node one of two, so that it listens to peers. */
  const withPeers = ({ peerPort }: DemoNode) => ({
    DKV_NODES: `node1=127.0.0.1:${peerPort},node2=127.0.0.1:1`,
    DKV_API_KEY: API_KEY,
  });

  async function block(port: number): Promise<void> {
    blocker = createServer();
    await new Promise<void>((resolve) => blocker!.listen(port, '0.0.0.0', resolve));
  }

  /** Starts a node that must end by itself, with code 1 and one message without a stack. */
  async function complaintOf(node: DemoNode): Promise<string> {
    node.launch();
    expect(await node.ended()).toEqual({ code: 1, signal: null });
    const [before, complaint = ''] = node.log.split('The node did not start.\n');
    expect(before).not.toMatch(/error/i);
    expect(complaint).not.toMatch(/^\s+at /m);
    return complaint.trimEnd();
  }

  it('needs no peers: an embedded node that keeps its data', async () => {
    const node = await newNode();
    await node.start();
    const { body } = await node.http.put('a key', { n: 1 });
    expect(await node.stop()).toEqual({ code: 0, signal: null });
    expect(node.log).toMatch(
      /node1: application http:\/\/127\.0\.0\.1:\d+ \(docs \/docs\), peers none .*, data \//,
    );

    await node.start();
    expect((await node.http.get('a key')).body).toEqual({ ...body, value: { n: 1 } });
    await node.kill9();
    await node.start();
    expect((await node.http.get('a key', 'quorum')).body).toEqual({ ...body, value: { n: 1 } });
    expect(await node.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });

  it('says unready while it leaves, and still answers', async () => {
    const node = await newNode({ SHUTDOWN_DELAY_MS: '60000' });
    await node.start();
    await node.http.put('a key', 1);
    const ended = node.stop();
    const leaving = await until('the node to say that it leaves', async () => {
      const answer = await node.http.send('GET', '/health/ready');
      return answer.status !== 200 && answer;
    });
    expect(leaving).toMatchObject({ status: 503, body: { status: 'shutting_down' } });
    expect((await node.http.get('a key')).body.value).toBe(1);
    await node.kill9();
    await ended;
  });

  it('lets the monkey play, and stops it in time', async () => {
    const node = await newNode({ MONKEY_RATE: '500' });
    await node.start();
    await until('the monkey to have written', async () => {
      const { text } = await node.http.send('GET', '/metrics');
      return Number(/op="addOrUpdate",result="ok"} (\d+)/.exec(text)?.[1]) > 100;
    });
    expect(await node.stop()).toEqual({ code: 0, signal: null });
    expect(node.log).not.toMatch(/failed|ERROR/);
  });

  it('ends when the process that started it is gone', async () => {
    const node = await newNode();
    await node.start();
    node.abandon();
    expect(await node.ended()).toEqual({ code: 0, signal: null });
  });

  it('says which peer port is taken', async () => {
    const { port, peerPort } = await newNode();
    const node = new DemoNode({
      id: 'node1',
      port,
      peerPort,
      dataDir: join(folder, 'node1'),
      env: withPeers(nodes[0]!),
    });
    nodes.push(node);
    await block(peerPort);
    expect(await complaintOf(node)).toMatch(new RegExp(`^DKV_PORT_IN_USE: .*${peerPort}.*taken`));
  });

  it('says which port of the application is taken', async () => {
    const node = await newNode();
    await block(node.port);
    expect(await complaintOf(node)).toMatch(new RegExp(`^PORT_IN_USE: .*${node.port}.*taken`));
  });

  it('says that another process has the data folder', async () => {
    const [owner, second] = [await newNode(), await newNode()];
    await owner.start();
    expect(await complaintOf(second)).toMatch(
      new RegExp(`^DKV_STORE_LOCKED: .*${folder}.* is open already, in process \\d+ on .*, since `),
    );
    expect((await owner.http.put('a key', 1)).status).toBe(200);
  });

  it('says that a data folder is not its own', async () => {
    const node = await newNode();
    await node.start();
    await node.stop();
    const stranger = await newNode({ DKV_NODE_ID: 'stranger' });
    expect(await complaintOf(stranger)).toMatch(/^DKV_STORE_MISMATCH: .*node1.*stranger/);
  });

  it('names every wrong variable, its value and what is allowed', async () => {
    const node = await newNode({
      PORT: 'http',
      DKV_STORAGE: 'disk',
      MONKEY_RATE: '-1',
      DKV_API_KEY: 'short',
    });
    const complaint = await complaintOf(node);
    expect(complaint).toMatch(/^INVALID_ENVIRONMENT: /);
    expect(complaint).toContain('PORT is "http": give a whole number from 0 to 65535 (a TCP port)');
    expect(complaint).toContain(
      'DKV_STORAGE is "disk": give one of auto, rocksdb, rocksdb-native, classic-level, memory',
    );
    expect(complaint).toContain('MONKEY_RATE is "-1"');
    expect(complaint).toContain('DKV_API_KEY');
    expect(complaint).not.toContain('short');
  });
});
