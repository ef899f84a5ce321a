/** The API of Kubernetes, as far as discovery asks it: the EndpointSlices of one Service, listed and watched. In memory. */
import { type ClusterNode } from '../../src/model/node.js';
import { awakened, type StandIn, type StandInAnswer, type StandInRequest } from './stand-in.js';

interface Slice {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly endpoints: readonly object[] | null;
  readonly ports: readonly { readonly name: string; readonly port: number }[];
}
interface WatchEvent {
  readonly type: string;
  readonly object: object;
}

/** Endpoints of a slice; the real one has 100. */
const SLICE_ENDPOINTS = 2;

export class KubernetesStandIn implements StandIn {
  private version = 100;
  private oldest = 100;
  private slices = new Map<string, Slice>();
  private history: (WatchEvent & { readonly version: number })[] = [];
  private readonly watchers = new Set<() => void>();
  /** The token that it takes. */
  token = 'first-token';

  constructor(
    readonly namespace: string,
    readonly service: string,
  ) {}

  /** These pods are there. Those of `ending` are about to go. */
  place(nodes: readonly ClusterNode[], ending: readonly ClusterNode[] = []): void {
    const endpoints = [
      ...nodes.map((node) => endpointOf(node, false)),
      ...ending.map((node) => endpointOf(node, true)),
    ];
    const { port } = nodes[0] ?? { port: 7000 };
    for (
      let at = 0;
      at * SLICE_ENDPOINTS < Math.max(endpoints.length, this.slices.size * SLICE_ENDPOINTS);
      at++
    ) {
      const name = `${this.service}-${at}`;
      const before = this.slices.get(name);
      const own = endpoints.slice(at * SLICE_ENDPOINTS, (at + 1) * SLICE_ENDPOINTS);
      this.version++;
      const object: Slice = {
        metadata: { name, resourceVersion: String(this.version) },
        endpoints: own,
        ports: [
          { name: 'http', port: 3000 },
          { name: 'peers', port },
        ],
      };
      if (own.length > 0) {
        this.slices.set(name, object);
        this.happened(before ? 'MODIFIED' : 'ADDED', object);
      } else if (this.slices.delete(name)) {
        this.happened('DELETED', object);
      }
    }
  }

  /** What happened before now is forgotten. */
  compact(): void {
    this.oldest = ++this.version;
    this.history = [];
  }

  /** Everybody that watches is told the version of now. */
  bookmark(): void {
    this.version++;
    this.happened('BOOKMARK', { metadata: { resourceVersion: String(this.version) } });
  }

  async handle({ path, query, headers, gone }: StandInRequest): Promise<StandInAnswer> {
    if (headers.authorization !== `Bearer ${this.token}`) {
      return { status: 401, body: { kind: 'Status', message: 'Unauthorized', code: 401 } };
    }
    const isOurs =
      path === `/apis/discovery.k8s.io/v1/namespaces/${this.namespace}/endpointslices` &&
      query.get('labelSelector') === `kubernetes.io/service-name=${this.service}`;
    if (!isOurs) {
      return { status: 403, body: { kind: 'Status', message: 'forbidden', code: 403 } };
    }
    if (query.get('watch') === null) {
      const metadata = { resourceVersion: String(this.version) };
      return { status: 200, body: { kind: 'EndpointSliceList', metadata, items: [...this.slices.values()] } };
    }
    const since = Number(query.get('resourceVersion'));
    return { status: 200, lines: (push) => this.watch(since, push, gone) };
  }

  private async watch(since: number, push: (line: unknown) => void, gone: AbortSignal): Promise<void> {
    let seen = since;
    while (!gone.aborted) {
      if (seen < this.oldest) {
        push({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old resource version' } });
        return;
      }
      for (const { version, type, object } of this.history.filter((event) => event.version > seen)) {
        seen = version;
        push({ type, object });
      }
      await awakened(this.watchers, gone);
    }
  }

  private happened(type: string, object: object): void {
    this.history.push({ type, object, version: this.version });
    this.watchers.forEach((wake) => wake());
  }
}

function endpointOf({ nodeId, host, zone }: ClusterNode, terminating: boolean): object {
  return {
    addresses: [host],
    conditions: { ready: false, serving: !terminating, terminating },
    hostname: nodeId,
    targetRef: { kind: 'Pod', name: nodeId },
    ...(zone !== '' && { zone }),
  };
}
