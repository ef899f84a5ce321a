/** Nodes by Consul: each registers a service with its agent, and asks for those of the others. */
import { Matches } from 'class-validator';
import { Hides, says, Whole } from '../dkv.option-decorators.js';
import { type ClusterNode } from '../model/node.js';
import { HttpStatusError, jsonOf } from './discovery-http.js';
import { type DiscoveryWorld, discoveryWorld } from './discovery-world.js';
import { announcedNode, announcementOf } from './found-node.js';
import { below, PemTexts, ServiceUrl, type ServiceTls } from './service-url.js';
import { checked, WATCHED_DEFAULTS, WatchedDiscovery, WatchedDiscoveryOptions } from './watched-discovery.js';

export class ConsulDiscoveryOptions extends WatchedDiscoveryOptions {
  /** The name of the service that the nodes register: those that share it find each other. */
  @Matches(/^[A-Za-z0-9-]{1,63}$/, says('give 1 to 63 characters of A-Z a-z 0-9 -'))
  service!: string;

  /** The agent on this machine. Default: `http://127.0.0.1:8500`. */
  @ServiceUrl()
  agent?: string;

  /** Sent as `X-Consul-Token`; needs `service:write` and `service:read` of the service, and `node:read`. Default: none. */
  @Hides('token', isToken, 'give 1 to 256 printable ASCII characters without spaces')
  token?: string;

  /** A node that is not heard is critical after so long, and left out. Lower costs messages: one each third of it. Default: 15 s. */
  @Whole(3_000, 3_600_000, 'milliseconds')
  ttlMs?: number;

  /** `{ ca, cert, key }`, in PEM, all optional: the CA that the agent's certificate is of, and what it is shown. */
  @PemTexts()
  tls?: ServiceTls;
}

const DEFAULTS = {
  ...WATCHED_DEFAULTS,
  agent: 'http://127.0.0.1:8500',
  token: '',
  ttlMs: 15_000,
  tls: {},
} as const satisfies Omit<ConsulDiscoveryOptions, 'service'>;

/** So long the agent may hold a question back until there is something new; it adds up to a sixteenth. */
const WAIT_MS = 50_000;
const WAIT_MS_MAX = WAIT_MS * (1 + 1 / 16);
/** Consul removes a service by itself once it was critical for so long; it takes no less than a minute. */
const REMOVED_AFTER = '10m';

interface HealthEntry {
  readonly Service: {
    readonly Address: string;
    readonly Port: number;
    readonly Meta?: Readonly<Record<string, string>> | null;
  };
  readonly Checks?: readonly { readonly Status: string }[] | null;
}

/** A node's service has a check that its process passes again and again; nodes of which a check is critical are left out. */
export class ConsulDiscovery extends WatchedDiscovery {
  readonly isRegistry = true;
  protected override readonly renewEveryMs: number;
  private readonly options: Required<Omit<ConsulDiscoveryOptions, 'allowedHosts'>>;
  /** Of the answer before: the next one is held back until there is a later one. */
  private index = 0;

  /** @throws DkvError `DKV_INVALID_OPTIONS` @param world for tests */
  constructor(options: ConsulDiscoveryOptions, world: Partial<DiscoveryWorld> = {}) {
    const given = { ...DEFAULTS, ...checked(ConsulDiscoveryOptions, options) };
    super(`Consul at ${given.agent}`, discoveryWorld(world), given);
    this.options = given;
    this.renewEveryMs = given.ttlMs / 3;
  }

  protected async list(signal: AbortSignal): Promise<readonly ClusterNode[]> {
    return (await this.read({}, this.options.timeoutMs, signal)).nodes;
  }

  protected async follow(tell: (nodes: readonly ClusterNode[]) => void, signal: AbortSignal): Promise<void> {
    const query = { index: String(this.index), wait: `${WAIT_MS / 1_000}s` };
    try {
      const { nodes, index } = await this.read(query, WAIT_MS_MAX + this.options.timeoutMs, signal);
      // One that goes back is of a Consul that was restored: what came after it may be missing.
      this.index = index < this.index ? 0 : index;
      tell(nodes);
    } catch (error) {
      this.index = 0;
      throw error;
    }
  }

  protected override async announce(self: ClusterNode, signal: AbortSignal): Promise<void> {
    const { service, ttlMs } = this.options;
    const { host, port, ...meta } = announcementOf(self);
    await this.put('/v1/agent/service/register?replace-existing-checks=true', signal, {
      ID: this.idOf(self),
      Name: service,
      Address: host,
      Port: Number(port),
      Meta: { nodeId: self.nodeId, ...meta },
      Check: {
        TTL: `${Math.ceil(ttlMs / 1_000)}s`,
        Status: 'passing',
        DeregisterCriticalServiceAfter: REMOVED_AFTER,
      },
    });
  }

  protected override async renew(self: ClusterNode, signal: AbortSignal): Promise<void> {
    try {
      await this.put(`/v1/agent/check/pass/service:${encodeURIComponent(this.idOf(self))}`, signal);
    } catch (error) {
      // An agent that knows no such check has lost its memory: older ones say 500 for that, newer ones 404.
      if (!(error instanceof HttpStatusError && (error.status === 404 || error.status === 500))) {
        throw error;
      }
      await this.announce(self, signal);
    }
  }

  protected override async withdraw(self: ClusterNode, signal: AbortSignal): Promise<void> {
    await this.put(`/v1/agent/service/deregister/${encodeURIComponent(this.idOf(self))}`, signal);
  }

  private async read(
    query: Readonly<Record<string, string>>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly nodes: readonly ClusterNode[]; readonly index: number }> {
    const { agent, service, tls } = this.options;
    const url = below(agent, `/v1/health/service/${service}`, query);
    const { headers } = this;
    const answer = await this.world.http.ask({ method: 'GET', url, headers, timeoutMs, signal, ...tls });
    const entries = jsonOf<readonly HealthEntry[]>(answer).filter(
      ({ Checks }) => !Checks?.some(({ Status }) => Status === 'critical'),
    );
    const index = Number(answer.headers['x-consul-index']);
    return { nodes: entries.map(nodeOf), index: index > 0 ? index : 0 };
  }

  private async put(path: string, signal: AbortSignal, body?: unknown): Promise<void> {
    const { agent, timeoutMs, tls } = this.options;
    const url = new URL(agent.replace(/\/$/, '') + path);
    const { headers } = this;
    const answer = await this.world.http.ask({
      method: 'PUT',
      url,
      headers,
      body,
      timeoutMs,
      signal,
      ...tls,
    });
    if (answer.status !== 200) {
      throw new HttpStatusError(answer.status, answer.text);
    }
  }

  private get headers(): Readonly<Record<string, string>> {
    const { token } = this.options;
    return token === '' ? {} : { 'x-consul-token': token };
  }

  /** Unique at the agent, which may have several nodes. */
  private idOf({ nodeId }: ClusterNode): string {
    return `${this.options.service}-${nodeId}`;
  }
}

function nodeOf({ Service: { Address, Port, Meta } }: HealthEntry): ClusterNode {
  return announcedNode(Meta?.nodeId ?? '', { ...Meta, host: Address, port: Port });
}

function isToken(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e]{1,256}$/.test(value);
}
