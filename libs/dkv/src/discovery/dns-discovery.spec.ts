/** Nodes by DNS: the suite of all adapters, and what is DNS's own: which records, whose names, which answers say nothing. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { caught, rejected } from '../../testing/caught.js';
import { DNS_FAILURES, type DnsFailure, DnsStandIn } from '../../testing/discovery/dns-stand-in.js';
import { elapse, ObserverStage, STEADY } from '../../testing/discovery/stage.js';
import { testDiscovery } from '../../testing/discovery-conformance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode } from '../../testing/test-nodes.js';
import { type ClusterNode } from '../model/node.js';
import { DnsDiscovery, type DnsDiscoveryOptions } from './dns-discovery.js';

const ZONE = 'app-peers.default.svc.cluster.local';
const SERVICE = `_peers._tcp.${ZONE}`;

describe.each<[string, DnsDiscoveryOptions]>([
  ['SRV records', { name: SERVICE }],
  ['A records', { name: ZONE, records: 'A', port: 7000 }],
])('a discovery by %s', (_, options) => {
  testDiscovery(it, {
    kind: 'observer',
    failures: DNS_FAILURES,
    settleMs: 40_000,
    open: async () =>
      new ObserverStage(() => {
        const standIn = new DnsStandIn(ZONE);
        return {
          place: (nodes) => standIn.place(nodes),
          fail: (failure) => (standIn.failure = failure as DnsFailure | undefined),
          make: (world) => new DnsDiscovery(options, { ...world, resolver: () => standIn.resolver() }),
          restart: () => undefined,
        };
      }),
  });
});

const NODES = [
  testNode('app-0', { host: '10.0.0.1', port: 7001 }),
  testNode('app-1', { host: 'fd00::1', port: 7002 }),
];

function discoveryOf(nodes: readonly ClusterNode[], options: Partial<DnsDiscoveryOptions> = {}) {
  const standIn = new DnsStandIn(ZONE);
  standIn.place(nodes);
  const clock = new ManualClock();
  const world = { clock, random: STEADY, logger: new CapturedLog(), resolver: () => standIn.resolver() };
  return { clock, standIn, discovery: new DnsDiscovery({ name: SERVICE, ...options }, world) };
}

describe('the nodes of DNS', () => {
  it('have the ports of SRV records, the first label of their host for an id, and addresses of either family', async () => {
    expect(await discoveryOf(NODES).discovery.getNodes()).toEqual(NODES);
  });

  it('of AAAA records have the id that their address has in the zone that is asked', async () => {
    const { discovery } = discoveryOf(NODES, { name: ZONE, records: 'AAAA', port: 7002 });
    expect(await discovery.getNodes()).toEqual(NODES.slice(1));
  });

  it('are unknown where the host of one of several has no address', async () => {
    const { discovery, standIn } = discoveryOf(NODES);
    const resolver = standIn.resolver();
    standIn.resolver = () => ({
      ...resolver,
      resolve6: (name) =>
        Promise.reject(Object.assign(new Error(`query ENOTFOUND ${name}`), { code: 'ENOTFOUND' })),
    });
    const error = await rejected(discovery.getNodes());
    expect(error).toMatchObject({ code: 'DKV_DISCOVERY_FAILED' });
    expect(error.message).toContain('ENOTFOUND app-1');
  });

  it('are asked for every five seconds, a fifth more or less', async () => {
    const { discovery, standIn, clock } = discoveryOf(NODES);
    let asked = 0;
    const resolver = standIn.resolver();
    standIn.resolver = () => {
      asked++;
      return resolver;
    };
    await discovery.register(NODES[0]!, () => undefined);
    await elapse(clock, 60_000);
    // A tenth of a second after each answer besides.
    expect(asked).toBe(12);
    await discovery.deregister();
  });
});

it.each<[string, Partial<Record<keyof DnsDiscoveryOptions, unknown>>]>([
  ['name', { name: 'of the shop' }],
  ['name', { name: 'a'.repeat(254) }],
  ['records', { records: 'MX' }],
  ['port', { records: 'A' }],
  ['port', { port: 7000 }],
  ['pollIntervalMs', { pollIntervalMs: 10 }],
  ['servers', { servers: ['dns.example.org'] }],
  ['servers', { servers: ['10.0.0.1:99999'] }],
])('refuses a wrong option: %s', (option, wrong) => {
  const error = caught(() => new DnsDiscovery({ name: SERVICE, ...wrong } as DnsDiscoveryOptions));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  expect(error.message).toMatch(new RegExp(`^Options of DnsDiscovery:\\n- ${option}\\b`));
});

it.each(['10.0.0.2', '10.0.0.2:5353', '::1', '[::1]:53'])('asks a server at %s', (server) => {
  expect(() => new DnsDiscovery({ name: SERVICE, servers: [server] })).not.toThrow();
});
