/** Nodes by the HTTP service discovery of horockey/service_discovery. */
import { HttpService } from '@nestjs/axios';
import axios from 'axios';
import { Matches } from 'class-validator';
import { randomUUID } from 'node:crypto';
import { says, Whole } from '../dkv.option-decorators.js';
import { type ClusterNode } from '../model/node.js';
import { HttpStatusError } from './discovery-http.js';
import { type DiscoveryWorld, discoveryWorld, jittered, pause } from './discovery-world.js';
import { announcedNode, announcementOf } from './found-node.js';
import { below, ServiceUrl } from './service-url.js';
import { checked, WATCHED_DEFAULTS, WatchedDiscovery, WatchedDiscoveryOptions } from './watched-discovery.js';

export class HttpServiceDiscoveryOptions extends WatchedDiscoveryOptions {
  /** Where the service discovery listens: `http://discovery:6500`. */
  @ServiceUrl()
  url!: string;

  /** Sent as `X-Api-Key`. */
  @Matches(/^[\x21-\x7e]{1,256}$/, {
    message: 'serviceKey: give 1 to 256 printable ASCII characters (the value is not shown here)',
  })
  serviceKey!: string;

  /** Nodes that share it find each other. */
  @Matches(/^[A-Za-z0-9._-]{1,100}$/, says('give 1 to 100 characters of A-Z a-z 0-9 . _ -'))
  serviceName!: string;

  /**
   * Where the service discovery reaches this application's own listener, any global prefix included: `http://app-0:3000`. It asks
   * `GET /dkv-discovery/health/…` each second and posts to `/dkv-discovery/update`, both without a key: guards must let them through.
   */
  @ServiceUrl()
  callbackUrl!: string;

  /** Between two questions, a fifth more or less, whatever the service tells by itself: it does not tell of all. Default: 2 s. */
  @Whole(500, 3_600_000, 'milliseconds')
  pollIntervalMs?: number;
}

const DEFAULTS = { ...WATCHED_DEFAULTS, pollIntervalMs: 2_000 } as const;
/** Of the application's listener. */
export const CALLBACK_PATH = 'dkv-discovery';
/** A thousand nodes fit in. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

interface ServiceNode {
  readonly ID: string;
  readonly State?: string;
  readonly Meta?: Readonly<Record<string, unknown>> | null;
}

/**
 * Registers this node with its weight, zone and peer port as `Meta`. The service removes a node some seconds after its health failed, so
 * the health that this answers is that of one registration: a former one of the same node ends by itself. Nodes that the service takes
 * for down are nodes too: new ones are until it has asked them, and who is up is found out by asking them.
 */
export class HttpServiceDiscovery extends WatchedDiscovery {
  readonly isRegistry = true;
  private readonly options: Required<Omit<HttpServiceDiscoveryOptions, 'allowedHosts'>>;
  /** Of the registration that is there now, for the health of no other. */
  private run: string | undefined;
  private id: string | undefined;
  private woken = new AbortController();

  /** @throws DkvError `DKV_INVALID_OPTIONS` @param world for tests */
  constructor(
    options: HttpServiceDiscoveryOptions,
    world: Partial<DiscoveryWorld> = {},
    private readonly http = new HttpService(axios.create()),
  ) {
    const given = { ...DEFAULTS, ...checked(HttpServiceDiscoveryOptions, options, 'url', 'callbackUrl') };
    super(`the service discovery at ${given.url}`, discoveryWorld(world), given);
    this.options = given;
  }

  /** Whether this is the registration that the service is to keep. */
  isHealthy(run: string): boolean {
    return run === this.run;
  }

  /** The service has told that something changed: the nodes are asked for. */
  update(): void {
    this.woken.abort();
  }

  protected async follow(tell: (nodes: readonly ClusterNode[]) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.world;
    this.woken = new AbortController();
    const { signal: woken } = this.woken;
    tell(await this.list(signal));
    const pollMs = jittered(this.options.pollIntervalMs, random);
    await pause(clock, pollMs, AbortSignal.any([signal, woken]));
  }

  protected async list(signal: AbortSignal): Promise<readonly ClusterNode[]> {
    const nodes = await this.call<readonly ServiceNode[]>('GET', `/node/${this.options.serviceName}`, signal);
    if (!Array.isArray(nodes)) {
      throw new Error('its answer is no list of nodes');
    }
    // Where a node is there twice, the one that is up counts.
    return [...(nodes as readonly ServiceNode[])]
      .sort((one, other) => Number(one.State === 'up') - Number(other.State === 'up'))
      .map(nodeOf);
  }

  protected override async announce(self: ClusterNode, signal: AbortSignal): Promise<void> {
    const { serviceName, callbackUrl } = this.options;
    const { host, port, weight, zone } = announcementOf(self);
    const callback = (path: string) => below(callbackUrl, `/${CALLBACK_PATH}/${path}`).href;
    const run = randomUUID();
    // Asked for before the answer is here.
    this.run = run;
    const { ID } = await this.call<{ ID: string }>('POST', '/node', signal, {
      Hostname: host,
      ServiceName: serviceName,
      HealthEndpoint: callback(`health/${run}`),
      UpdEndpoint: callback('update'),
      Meta: { nodeId: self.nodeId, host, port, weight, zone },
    });
    this.id = ID;
  }

  protected override async withdraw(_self: ClusterNode, signal: AbortSignal): Promise<void> {
    // Its health fails first: else the service would find it up again.
    this.run = undefined;
    await this.call('DELETE', `/node/${encodeURIComponent(this.id!)}`, signal);
  }

  private async call<T>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    signal: AbortSignal,
    data?: unknown,
  ): Promise<T> {
    const { url, serviceKey, timeoutMs } = this.options;
    const late = new AbortController();
    const timer = this.world.clock.schedule(timeoutMs, () => late.abort());
    try {
      const answer = await this.http.axiosRef.request<T>({
        method,
        url: below(url, path).href,
        data,
        headers: { 'X-Api-Key': serviceKey },
        signal: AbortSignal.any([signal, late.signal]),
        maxRedirects: 0,
        maxContentLength: ANSWER_BYTES_MAX,
        validateStatus: () => true,
        // One that the environment names is for the internet.
        proxy: false,
      });
      if (answer.status !== 200) {
        throw new HttpStatusError(answer.status, JSON.stringify(answer.data ?? ''));
      }
      return answer.data;
    } catch (error) {
      throw late.signal.aborted ? new Error(`it did not answer within ${timeoutMs} ms`) : error;
    } finally {
      timer.cancel();
    }
  }
}

function nodeOf({ Meta }: ServiceNode): ClusterNode {
  const { nodeId } = Meta ?? {};
  return announcedNode(typeof nodeId === 'string' ? nodeId : '', Meta);
}
