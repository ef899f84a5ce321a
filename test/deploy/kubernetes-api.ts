/** As much of the API of Kubernetes as the scripts of the chart ask for, on a port of the loopback. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TOKEN = 'the-token-of-the-pod';
const FORGOTTEN = `${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n`;

export interface ShownPod {
  readonly name: string;
  readonly address: string;
  readonly isReady?: boolean;
  readonly isEnding?: boolean;
  /** Its peer port. */
  readonly port?: number;
  readonly zone?: string;
}

export class KubernetesApi {
  /** Of the StatefulSet; undefined where there is none. */
  replicas: number | undefined = 3;
  /** Instead of an answer. */
  failure: number | undefined;
  private version = 7;
  private shown: readonly ShownPod[] = [];
  private readonly watches = new Set<ServerResponse>();
  private readonly server = createServer((request, response) => this.answer(request, response));
  private readonly folder = mkdtempSync(join(tmpdir(), 'dkv-api-'));
  private awaited: { readonly asked: number; readonly resolve: () => void } | undefined;
  private asked = 0;

  constructor(
    private readonly set: string,
    private readonly service: string,
  ) {}

  async start(): Promise<this> {
    // Over http nobody looks at the CA, but it is read.
    const files = { token: TOKEN, namespace: 'shop', 'ca.crt': '' };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(this.folder, name), `${text}\n`);
    }
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true });
  }

  /** The pods behind the Service. */
  get pods(): readonly ShownPod[] {
    return this.shown;
  }

  /** Who watches is told to list them anew, as of a version that the server has forgotten. */
  set pods(pods: readonly ShownPod[]) {
    this.shown = pods;
    this.version++;
    this.watches.forEach((watch) => watch.end(FORGOTTEN));
    this.watches.clear();
  }

  /** Where a script finds it. */
  get env(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return { API_SERVER: `http://127.0.0.1:${port}`, CREDENTIALS_DIR: this.folder };
  }

  /** Resolves when so many more questions have been asked. */
  async wasAsked(times: number): Promise<void> {
    await new Promise<void>((resolve) => (this.awaited = { asked: this.asked + times, resolve }));
  }

  /** One for each pod: on one machine, each has another port. Where there is none, null is said, not an empty list. */
  private slices(): object[] {
    return this.pods.length === 0
      ? [sliceOf(this.service, null, 7000)]
      : this.pods.map((pod) => sliceOf(`${this.service}-${pod.name}`, [endpointOf(pod)], pod.port ?? 7000));
  }

  private answer({ method, url, headers }: IncomingMessage, response: ServerResponse): void {
    const send = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
    const slices = `/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${this.service}`;
    if (url?.startsWith(`${slices}&watch=true`)) {
      response.writeHead(200).flushHeaders();
      if (new URLSearchParams(url).get('resourceVersion') === `${this.version}`) {
        this.watches.add(response);
      } else {
        response.end(FORGOTTEN);
      }
    } else if (this.failure !== undefined) {
      send(this.failure, {});
    } else if (method !== 'GET' || headers.authorization !== `Bearer ${TOKEN}`) {
      send(401, {});
    } else if (url === slices) {
      send(200, { metadata: { resourceVersion: `${this.version}` }, items: this.slices() });
    } else if (url === `/apis/apps/v1/namespaces/shop/statefulsets/${this.set}`) {
      send(this.replicas === undefined ? 404 : 200, { spec: { replicas: this.replicas } });
    } else {
      send(403, {});
    }
    if (++this.asked === this.awaited?.asked) {
      this.awaited.resolve();
    }
  }
}

const sliceOf = (name: string, endpoints: readonly object[] | null, port: number) => ({
  metadata: { name, resourceVersion: '7' },
  endpoints,
  ports: [{ name: 'peers', port }],
});

/** `ready` is true for all, since addresses of pods that are not are published too. */
function endpointOf({ name, address, isReady = false, isEnding = false, zone }: ShownPod): object {
  return {
    zone,
    addresses: [address],
    conditions: { ready: true, serving: isReady, terminating: isEnding },
    targetRef: { kind: 'Pod', name },
  };
}
