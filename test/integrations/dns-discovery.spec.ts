/** Nodes by a real DNS server, dnsmasq: records of each kind, answers that change, and answers that say nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { DnsDiscovery, type DnsDiscoveryOptions } from 'nestjs-dkv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../apps/bench/src/processes/free-port.js';
import { CapturedLog } from '../../libs/dkv/testing/captured-log.js';

const POLL = { timeout: 60_000, interval: 50 };
const ZONE = 'app-peers.internal';
const SERVICE = `_peers._tcp.${ZONE}`;

let port = 0;
let server: ChildProcess | undefined;
let discovery: DnsDiscovery | undefined;

/** Each `app-0=10.0.0.1`. @param more arguments of dnsmasq */
async function serve(nodes: readonly string[], more: readonly string[] = []): Promise<void> {
  await stop();
  const records = nodes.flatMap((node) => {
    const [name, address] = node.split('=');
    const host = `${name}.${ZONE}`;
    return [
      `--srv-host=${SERVICE},${host},7000`,
      `--host-record=${host},${address}`,
      `--host-record=${ZONE},${address}`,
    ];
  });
  const only = [
    '--no-daemon',
    '--no-resolv',
    '--no-hosts',
    '--conf-file=/dev/null',
    '--log-facility=/dev/null',
  ];
  const own = ['--bind-interfaces', '--listen-address=127.0.0.1', `--port=${port}`];
  server = spawn('dnsmasq', [...only, ...own, ...records, ...more], { stdio: 'ignore' });
}

async function stop(): Promise<void> {
  if (server && server.exitCode === null && server.signalCode === null) {
    const ended = new Promise((resolve) => server!.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
  }
}

function make(options: Partial<DnsDiscoveryOptions> = {}): DnsDiscovery & { readonly log: CapturedLog } {
  const log = new CapturedLog();
  const given = {
    name: SERVICE,
    servers: [`127.0.0.1:${port}`],
    pollIntervalMs: 500,
    timeoutMs: 2_000,
    ...options,
  };
  const made = Object.assign(new DnsDiscovery(given, { logger: log }), { log });
  discovery = made;
  return made;
}

const shown = async () =>
  discovery!.getNodes().then(
    (nodes) => nodes.map(({ nodeId, host, port: at }) => `${nodeId}=${host}:${at}`).join(),
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );

beforeEach(async () => {
  [port = 0] = await freePorts(1);
});
afterEach(async () => {
  await discovery?.deregister();
  await stop();
});

describe('the records of dnsmasq', () => {
  it('of a service are nodes, of either family', async () => {
    make();
    await serve(['app-0=10.0.0.1', 'app-1=fd00::1'], ['--local=/internal/']);
    await expect.poll(shown, POLL).toBe('app-0=10.0.0.1:7000,app-1=fd00::1:7000');
  });

  it('of a name are nodes by the names of their addresses', async () => {
    make({ name: ZONE, records: 'A', port: 7009 });
    await serve(['app-0=10.0.0.1', 'app-1=10.0.0.2']);
    await expect.poll(shown, POLL).toBe('app-0=10.0.0.1:7009,app-1=10.0.0.2:7009');
  });

  it.each<[string, readonly string[], RegExp]>([
    ['NXDOMAIN', ['--local=/internal/'], /^DKV_DISCOVERY_FAILED .*ENOTFOUND/],
    ['REFUSED', [], /^DKV_DISCOVERY_FAILED .*EREFUSED/],
  ])('say nothing where there are none: %s', async (_, more, message) => {
    make();
    await serve([], more);
    await expect.poll(shown, POLL).toMatch(message);
  });

  it('change, and what was known stays while nobody answers', async () => {
    const made = make();
    const self = { nodeId: 'app-0', host: '10.0.0.1', port: 7000, weight: 1, zone: '' };
    const told: string[] = [];
    await serve(['app-0=10.0.0.1']);
    await expect.poll(shown, POLL).toBe('app-0=10.0.0.1:7000');
    await made.register(self, (nodes) =>
      told.push(nodes.map(({ nodeId, host }) => `${nodeId}=${host}`).join()),
    );
    await serve(['app-0=10.0.0.1', 'app-1=10.0.0.2']);
    await expect.poll(() => told.at(-1), POLL).toBe('app-0=10.0.0.1,app-1=10.0.0.2');

    await stop();
    await expect.poll(() => made.trouble, POLL).toMatch(/of SRV .* fails: .*of \d+ s ago/);
    await serve([], ['--local=/internal/']);
    await expect.poll(() => made.trouble, POLL).toMatch(/ENOTFOUND/);
    server!.kill('SIGSTOP');
    await expect.poll(() => made.trouble, POLL).toMatch(/ECANCELLED|ETIMEOUT/);
    expect(told.at(-1)).toBe('app-0=10.0.0.1,app-1=10.0.0.2');

    await serve(['app-0=10.0.0.1', 'app-1=10.0.0.9']);
    await expect.poll(() => told.at(-1), POLL).toBe('app-0=10.0.0.1,app-1=10.0.0.9');
    expect(made.trouble).toBeUndefined();
  });
});
