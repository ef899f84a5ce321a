/** The HTTP service discovery that {@link HttpServiceDiscovery} speaks to, in memory. */
import { type Clock, type Timer } from '../../src/ports/clock.js';
import { type StandIn, type StandInAnswer, type StandInRequest } from './stand-in.js';

interface Registered {
  readonly ID: string;
  readonly Hostname: string;
  readonly ServiceName: string;
  readonly HealthEndpoint: string;
  readonly UpdEndpoint: string;
  readonly Meta: unknown;
  State: 'up' | 'down';
  downMs: number;
}

const CHECK_EVERY_MS = 1_000;
const REMOVED_AFTER_MS = 3_000;

/** Whether a call of this server at a node was answered with 200. */
export type CallNode = (method: 'GET' | 'POST', url: string, body?: unknown) => Promise<boolean>;

/** Asks the health of each node every second, removes one three seconds after it went down, and posts what changes. */
export class ServiceDiscoveryStandIn implements StandIn {
  private nodes = new Map<string, Registered>();
  private made = 0;
  private timer: Timer | undefined;

  constructor(
    private readonly key: string,
    private readonly clock: Clock,
    private readonly callNode: CallNode,
  ) {}

  start(): void {
    this.timer = this.clock.schedule(CHECK_EVERY_MS, () => {
      void this.check().then(() => this.timer && this.start());
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** It starts again, without what it knew. */
  replace(): void {
    this.nodes = new Map();
  }

  get hostnames(): readonly string[] {
    return [...this.nodes.values()].map(({ Hostname }) => Hostname);
  }

  async handle({ method, path, headers, body }: StandInRequest): Promise<StandInAnswer> {
    if (headers['x-api-key'] !== this.key) {
      return { status: 403, body: { message: 'Forbidden' } };
    }
    const [, root, name = ''] = path.split('/');
    if (root !== 'node') {
      return { status: 404, body: { message: 'Not found' } };
    }
    if (method === 'POST') {
      return { status: 200, body: this.register(body as Registered) };
    }
    if (method === 'GET') {
      const found = [...this.nodes.values()].filter(({ ServiceName }) => ServiceName === name);
      return { status: 200, body: found.map(shown) };
    }
    const node = this.nodes.get(name);
    if (node) {
      node.State = 'down';
      node.downMs = this.clock.monotonic();
    }
    return node ? { status: 200 } : { status: 404, body: { message: `No node ${name}` } };
  }

  private register({ Hostname, ServiceName, HealthEndpoint, UpdEndpoint, Meta }: Registered) {
    const ID = `id-${++this.made}`;
    const node: Registered = {
      ...{ ID, Hostname, ServiceName, HealthEndpoint, UpdEndpoint, Meta },
      State: 'down',
      downMs: this.clock.monotonic(),
    };
    this.nodes.set(ID, node);
    return shown(node);
  }

  private async check(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => this.checkNode(node)));
  }

  private async checkNode(node: Registered): Promise<void> {
    const state = (await this.callNode('GET', node.HealthEndpoint)) ? 'up' : 'down';
    if (!this.nodes.has(node.ID)) {
      return;
    }
    const isGone = state === 'down' && this.clock.monotonic() - node.downMs >= REMOVED_AFTER_MS;
    if (isGone && node.State === 'down') {
      this.nodes.delete(node.ID);
    } else if (state !== node.State) {
      node.State = state;
      node.downMs = this.clock.monotonic();
      const others = [...this.nodes.values()].filter(({ ServiceName }) => ServiceName === node.ServiceName);
      const told = { ID: node.ID, Hostname: node.Hostname, ServiceName: '', State: state };
      await Promise.all(others.map(({ UpdEndpoint }) => this.callNode('POST', UpdEndpoint, told)));
    }
  }
}

function shown({ ID, Hostname, ServiceName, State, Meta }: Registered) {
  return { ID, Hostname, ServiceName, State, Meta };
}
