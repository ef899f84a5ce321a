/** Nodes by DNS: the SRV records of a service, or the addresses of a name. */
import { IsIn, IsOptional, Matches } from 'class-validator';
import { isIP } from 'node:net';
import { Accepts, says, shown, Whole } from '../dkv.option-decorators.js';
import { DkvError } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { type DiscoveryWorld, discoveryWorld, jittered, pause } from './discovery-world.js';
import { type DnsResolver } from './dns-resolver.js';
import { checked, WATCHED_DEFAULTS, WatchedDiscovery, WatchedDiscoveryOptions } from './watched-discovery.js';

const RECORDS = ['SRV', 'A', 'AAAA'] as const;
const SERVERS_MAX = 16;

export class DnsDiscoveryOptions extends WatchedDiscoveryOptions {
  /**
   * The name that is asked for, written out to its end: `_peers._tcp.app-peers.default.svc.cluster.local`, the port `peers` of a
   * headless service, or `tasks.app` of a Docker swarm.
   */
  @Matches(/^(?=.{1,253}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$/, says('give the name of a DNS record'))
  name!: string;

  /**
   * `SRV`: hosts and ports of a service; a node's id is the first label of its host. `A` or `AAAA`: addresses, all with `port`; a node's
   * id is the first label of the name that its address has (PTR). Default: `SRV`.
   */
  @IsOptional()
  @IsIn(RECORDS, says(`give one of ${RECORDS.join(', ')}`))
  records?: (typeof RECORDS)[number];

  /** The peer port of all nodes; SRV records tell it themselves. */
  @Whole(1, 65_535, 'a TCP port')
  port?: number;

  /** Between two questions, a fifth more or less. Lower costs questions; higher finds a moved node later. Default: 5 s. */
  @Whole(500, 3_600_000, 'milliseconds')
  pollIntervalMs?: number;

  /** The DNS servers that are asked, `address` or `address:port`. Default: those of the machine. */
  @Accepts('servers', areServers, `give 1 to ${SERVERS_MAX} times '10.0.0.2' or '10.0.0.2:53'`)
  servers?: readonly string[];
}

const DEFAULTS = {
  ...WATCHED_DEFAULTS,
  records: 'SRV',
  port: 0,
  pollIntervalMs: 5_000,
  servers: [],
} as const satisfies Omit<DnsDiscoveryOptions, 'name'>;

/**
 * Asks again and again. That a name is not there, a server fails or does not answer in time, or that one host of several has no address
 * means that the nodes are not known. DNS has neither weights nor zones of nodes: they have weight 1 and no zone.
 */
export class DnsDiscovery extends WatchedDiscovery {
  private readonly options: Required<Omit<DnsDiscoveryOptions, 'allowedHosts'>>;

  /** @throws DkvError `DKV_INVALID_OPTIONS` @param world for tests */
  constructor(options: DnsDiscoveryOptions, world: Partial<DiscoveryWorld> = {}) {
    const given = { ...DEFAULTS, ...checked(DnsDiscoveryOptions, options) };
    if ((given.records === 'SRV') !== (given.port === 0)) {
      throw new DkvError(
        'DKV_INVALID_OPTIONS',
        `Options of DnsDiscovery:\n- port is ${shown(options.port)} with records ${given.records}: give the port with A and ` +
          'AAAA, and leave it out with SRV, whose records tell it',
      );
    }
    super(`DNS of ${given.records} ${given.name}`, discoveryWorld(world), given);
    this.options = given;
  }

  protected async follow(tell: (nodes: readonly ClusterNode[]) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.world;
    tell(await this.list(signal));
    await pause(clock, jittered(this.options.pollIntervalMs, random), signal);
  }

  protected async list(signal: AbortSignal): Promise<readonly ClusterNode[]> {
    const { servers, timeoutMs, records } = this.options;
    const resolver = this.world.resolver(servers);
    const cancel = () => resolver.cancel();
    const timer = this.world.clock.schedule(timeoutMs, cancel);
    signal.addEventListener('abort', cancel);
    try {
      return await (records === 'SRV' ? this.ofService(resolver) : this.ofAddresses(resolver));
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', cancel);
    }
  }

  private async ofService(resolver: DnsResolver): Promise<readonly ClusterNode[]> {
    const records = await resolver.resolveSrv(this.options.name);
    return Promise.all(
      records.map(async ({ name, port }) => nodeOf(name, await addressOf(name, resolver), port)),
    );
  }

  private async ofAddresses(resolver: DnsResolver): Promise<readonly ClusterNode[]> {
    const { name, port, records } = this.options;
    const addresses = await (records === 'A' ? resolver.resolve4(name) : resolver.resolve6(name));
    return Promise.all(
      addresses.map(async (address) => {
        // An address may have names in other zones: that of this service tells which pod it is.
        const names = await resolver.reverse(address);
        const own = names.find((known) => known.toLowerCase().endsWith(`.${bare(name)}`));
        return nodeOf(own ?? names[0] ?? '', address, port);
      }),
    );
  }
}

function nodeOf(host: string, address: string, port: number): ClusterNode {
  return { nodeId: host.split('.')[0]!, host: address, port, weight: 1, zone: '' };
}

/** The lowest: DNS gives several in any order, and a node is not another one for that. */
async function addressOf(host: string, resolver: DnsResolver): Promise<string> {
  const addresses = await resolver.resolve4(host).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENODATA') {
      return resolver.resolve6(host);
    }
    throw error;
  });
  return [...addresses].sort()[0] ?? '';
}

function bare(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function areServers(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 1 && value.length <= SERVERS_MAX && value.every(isServer);
}

function isServer(server: unknown): boolean {
  const [, bracketed, plain, port = '53'] =
    /^(?:\[(.+)\]|([\d.]+)):([1-9]\d{0,4})$/.exec(typeof server === 'string' ? server : '') ?? [];
  return isIP(bracketed ?? plain ?? String(server)) > 0 && Number(port) <= 65_535;
}
