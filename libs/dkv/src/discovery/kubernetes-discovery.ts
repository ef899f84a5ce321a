/** Nodes by the API of Kubernetes: the pods behind a Service, from its EndpointSlices, as the pod's service account may see them. */
import { IsOptional, Matches } from 'class-validator';
import { Accepts, says } from '../dkv.option-decorators.js';
import { DkvError } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { HttpStatusError, type HttpQuestion, jsonOf } from './discovery-http.js';
import { type DiscoveryWorld, discoveryWorld } from './discovery-world.js';
import { below, ServiceUrl } from './service-url.js';
import { checked, WATCHED_DEFAULTS, WatchedDiscovery, WatchedDiscoveryOptions } from './watched-discovery.js';

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export class KubernetesDiscoveryOptions extends WatchedDiscoveryOptions {
  /** The headless Service that the pods are behind; with `publishNotReadyAddresses`, since nodes become ready by talking to each other. */
  @Matches(DNS_LABEL, says('give the name of a Service'))
  service!: string;

  /** Default: that of the pod. */
  @IsOptional()
  @Matches(DNS_LABEL, says('give the name of a namespace'))
  namespace?: string;

  /** The name of the Service's port that is the peer port; not needed where it has one port alone. */
  @IsOptional()
  @Matches(DNS_LABEL, says('give the name of a port of the Service'))
  portName?: string;

  /** Default: where the pod is told that it is, `https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT`. */
  @ServiceUrl()
  apiServer?: string;

  /** The folder with `token`, `ca.crt` and `namespace`; they are read for each request, since tokens are renewed. Default: the pod's. */
  @Accepts('credentialsDir', (value) => typeof value === 'string' && value !== '', 'give a path')
  credentialsDir?: string;
}

const DEFAULTS = {
  ...WATCHED_DEFAULTS,
  credentialsDir: '/var/run/secrets/kubernetes.io/serviceaccount',
} as const satisfies Omit<KubernetesDiscoveryOptions, 'service'>;

/** A watch ends after so long, by the server, and goes on where it was. */
const WATCH_MS = 60_000;
/** What the server may take longer than it was told. */
const WATCH_GRACE_MS = 5_000;

interface Endpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: { readonly terminating?: boolean };
  readonly hostname?: string;
  readonly targetRef?: { readonly kind?: string; readonly name?: string };
  readonly zone?: string;
}
interface EndpointSlice {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly endpoints?: readonly Endpoint[] | null;
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[] | null;
}
interface EndpointSliceList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items?: readonly EndpointSlice[] | null;
}
type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: EndpointSlice }
  | { readonly type: 'ERROR'; readonly object: { readonly code?: number; readonly message?: string } };

/** The slices as they were at a resource version. */
interface Seen {
  resourceVersion: string;
  readonly slices: Map<string, EndpointSlice>;
}

/**
 * Lists the slices and watches them from there on; where the server has forgotten the version that was seen last (410), they are listed
 * again. A node's id is the name of its pod, its zone that of the pod's machine; weights are 1. Pods that are not ready are nodes too.
 * The service account needs `list` and `watch` of `endpointslices` in `discovery.k8s.io`.
 */
export class KubernetesDiscovery extends WatchedDiscovery {
  private readonly options: KubernetesDiscoveryOptions & typeof DEFAULTS & { readonly apiServer: string };
  private seen: Seen | undefined;

  /** @throws DkvError `DKV_INVALID_OPTIONS` @param world for tests */
  constructor(options: KubernetesDiscoveryOptions, world: Partial<DiscoveryWorld> = {}) {
    const given = { ...DEFAULTS, ...checked(KubernetesDiscoveryOptions, options) } as typeof DEFAULTS &
      KubernetesDiscoveryOptions;
    super(`Kubernetes of the service ${given.service}`, discoveryWorld(world), given);
    this.options = { ...given, apiServer: given.apiServer ?? ownApiServer() };
  }

  protected async list(signal: AbortSignal): Promise<readonly ClusterNode[]> {
    return this.nodesOf((await this.read(signal)).slices);
  }

  protected async follow(tell: (nodes: readonly ClusterNode[]) => void, signal: AbortSignal): Promise<void> {
    if (!this.seen) {
      this.seen = await this.read(signal);
      tell(this.nodesOf(this.seen.slices));
    }
    const { seen } = this;
    const question = await this.question({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: seen.resourceVersion,
      timeoutSeconds: String(WATCH_MS / 1_000),
    });
    try {
      await this.world.http.lines({ ...question, timeoutMs: WATCH_MS + WATCH_GRACE_MS, signal }, (line) => {
        take(JSON.parse(line) as WatchEvent, seen);
        tell(this.nodesOf(seen.slices));
      });
    } catch (error) {
      if (!(error instanceof HttpStatusError && error.status === 410)) {
        throw error;
      }
      this.seen = undefined;
    }
  }

  private async read(signal: AbortSignal): Promise<Seen> {
    const answer = await this.world.http.ask({ ...(await this.question({})), signal });
    const { metadata, items } = jsonOf<EndpointSliceList>(answer);
    return {
      resourceVersion: metadata.resourceVersion,
      slices: new Map((items ?? []).map((slice) => [slice.metadata.name, slice])),
    };
  }

  private async question(query: Readonly<Record<string, string>>): Promise<HttpQuestion> {
    const { credentialsDir, apiServer, service, timeoutMs } = this.options;
    const read = async (name: string) => (await this.world.readFile(`${credentialsDir}/${name}`)).trim();
    const [token, ca] = await Promise.all([read('token'), read('ca.crt')]);
    const namespace = this.options.namespace ?? (await read('namespace'));
    const url = below(apiServer, `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
      labelSelector: `kubernetes.io/service-name=${service}`,
      ...query,
    });
    return { method: 'GET', url, headers: { authorization: `Bearer ${token}` }, ca, timeoutMs };
  }

  private nodesOf(slices: ReadonlyMap<string, EndpointSlice>): readonly ClusterNode[] {
    const { portName } = this.options;
    const found = [...slices.values()].flatMap(({ endpoints, ports }) => {
      const named = portName === undefined ? ports?.[0] : ports?.find(({ name }) => name === portName);
      return (endpoints ?? []).map((endpoint) => ({ endpoint, port: named?.port ?? Number.NaN }));
    });
    // A pod that ends and the one that follows it have the same name: the later entry counts.
    const isEnding = ({ endpoint }: { endpoint: Endpoint }) => endpoint.conditions?.terminating === true;
    return [...found.filter(isEnding), ...found.filter((each) => !isEnding(each))].map(
      ({ endpoint: { addresses, hostname, targetRef, zone }, port }) => ({
        nodeId: (targetRef?.kind === 'Pod' ? targetRef.name : hostname) ?? '',
        host: addresses?.[0] ?? '',
        port,
        weight: 1,
        zone: zone ?? '',
      }),
    );
  }
}

/** @throws HttpStatusError where the server tells of an error: 410 where it does not know the version any more */
function take(event: WatchEvent, seen: Seen): void {
  if (event.type === 'ERROR') {
    throw new HttpStatusError(event.object.code ?? 500, event.object.message ?? '');
  }
  const { metadata } = event.object;
  seen.resourceVersion = metadata.resourceVersion;
  if (event.type === 'DELETED') {
    seen.slices.delete(metadata.name);
  } else if (event.type !== 'BOOKMARK') {
    seen.slices.set(metadata.name, event.object);
  }
}

function ownApiServer(): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
  if (!host) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      'Options of KubernetesDiscovery:\n- apiServer is missing, and KUBERNETES_SERVICE_HOST is not set: this process runs in no ' +
        'pod, so give apiServer and credentialsDir',
    );
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
