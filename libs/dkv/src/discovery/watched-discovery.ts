/** What the adapters that ask a service have alike: announcing this node, following what is told, and what fails for a while. */
import { Accepts, faultsOf, Whole } from '../dkv.option-decorators.js';
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { type Discovery } from '../ports/discovery.js';
import { AllowedHosts, areHostPatterns, HOST_PATTERNS } from './allowed-hosts.js';
import { HttpStatusError } from './discovery-http.js';
import { type DiscoveryWorld, jittered, pause } from './discovery-world.js';
import { assertNode, faultOf } from './found-node.js';
import { Outage } from './outage.js';

export class WatchedDiscoveryOptions {
  /**
   * Which hosts nodes may have: addresses, networks, host names and patterns of these. A node elsewhere is left out, since whoever
   * connects to it sends it the cluster's key. Default: loopback and private addresses, names without a dot, `*.local`, `*.localhost`,
   * `*.internal`, `*.consul`.
   */
  @Accepts('allowedHosts', areHostPatterns, HOST_PATTERNS)
  allowedHosts?: readonly string[];

  /** For each answer of the service. Lower takes a slow one for down. Default: 5 s. */
  @Whole(100, 60_000, 'milliseconds')
  timeoutMs?: number;
}

export const WATCHED_DEFAULTS = { timeoutMs: 5_000 } as const satisfies WatchedDiscoveryOptions;

/**
 * The options that are set. @param needed those without a default that their own rules let be absent
 * @throws DkvError `DKV_INVALID_OPTIONS` naming each wrong option, its value and the remedy
 */
export function checked<T extends object>(
  Options: new () => T,
  given: T,
  ...needed: readonly (keyof T & string)[]
): T {
  const missing = needed.filter((name) => given[name] == null).map((name) => `${name} is missing: give it`);
  const faults = [...missing, ...faultsOf(Options, given)];
  if (faults.length > 0) {
    const adapter = Options.name.replace(/Options$/, '');
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `Options of ${adapter}:\n${faults.map((fault) => `- ${fault}`).join('\n')}`,
    );
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)) as T;
}

/** More are no cluster of ours. */
const NODES_MAX = 1_000;
/** Between two attempts to reach a service that is down: doubled with each, up to the larger. */
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 30_000;
/** After an answer, however fast the service gives them. */
const ROUND_MS = 100;
/** Hosts that are not allowed and were named in the log: each once. */
const REFUSED_MAX = 100;

type OnUpdate = (nodes: readonly ClusterNode[]) => void;

/** From `register` to `deregister`. */
interface Session {
  readonly self: ClusterNode;
  readonly ended: AbortController;
  /** Each resolves when its loop is over. */
  readonly loops: readonly Promise<void>[];
}

/**
 * Announces this node where the service does not know it otherwise, and follows what the service tells. A service that does not answer,
 * or not of this node, has told nothing: the nodes that were known stay known. It is said once in the log, and in health until it
 * is over.
 */
export abstract class WatchedDiscovery implements Discovery {
  private session: Session | undefined;
  private onUpdate: OnUpdate = () => undefined;
  /** What `onUpdate` was told last, and when the service said so. */
  private told = '';
  private toldMs: number | undefined;
  private readonly asking: Outage;
  private readonly announcing: Outage;
  private readonly hosts: AllowedHosts;
  private readonly refused = new Set<string>();
  /** `register` and `deregister` one after the other: what one has begun the next one finds done. */
  private turn: Promise<unknown> = Promise.resolve();
  /** Calls of `deregister` that have not had their turn: nothing is told from the call on. */
  private leaving = 0;

  /** @param service in words, as in "etcd at http://etcd:2379" */
  protected constructor(
    protected readonly service: string,
    protected readonly world: DiscoveryWorld,
    { allowedHosts }: WatchedDiscoveryOptions,
  ) {
    this.hosts = new AllowedHosts(allowedHosts);
    const { clock, logger } = world;
    this.asking = new Outage(`Discovery by ${service}`, clock, logger);
    this.announcing = new Outage(`Announcing this node to ${service}`, clock, logger);
  }

  /** Between two renewals of an announcement that ends by itself. Undefined: it does not, or there is none. */
  protected readonly renewEveryMs: number | undefined;

  /** Asks once. @throws Error of any kind */
  protected abstract list(signal: AbortSignal): Promise<readonly ClusterNode[]>;

  /**
   * Calls `tell` with all nodes whenever they may be others, until the service ends it or the signal is aborted; it is called again
   * then, and goes on where it was. @throws Error of any kind, also that of `tell`
   */
  protected abstract follow(tell: OnUpdate, signal: AbortSignal): Promise<void>;

  /** Makes the node known, where it is known already too. Nothing to do where the service finds out by itself. */
  protected async announce(_self: ClusterNode, _signal: AbortSignal): Promise<void> {}

  /** The same, sooner done where it is known still. */
  protected async renew(self: ClusterNode, signal: AbortSignal): Promise<void> {
    await this.announce(self, signal);
  }

  /** Takes it back. */
  protected async withdraw(_self: ClusterNode, _signal: AbortSignal): Promise<void> {}

  /** What ails it now, in words, with how old its last answer is; undefined where nothing does. */
  get trouble(): string | undefined {
    const trouble = this.announcing.trouble ?? this.asking.trouble;
    if (trouble === undefined || this.toldMs === undefined) {
      return trouble;
    }
    const ageSeconds = Math.round((this.world.clock.monotonic() - this.toldMs) / 1_000);
    return `${trouble} (the nodes that are known are those of ${ageSeconds} s ago)`;
  }

  register(self: ClusterNode, onUpdate: OnUpdate): Promise<void> {
    return this.inTurn(async () => {
      assertNode(self);
      if (!this.hosts.allow(self.host)) {
        throw new DkvError(
          'DKV_INVALID_OPTIONS',
          `This node is to be announced at ${self.host}, which allowedHosts has not: give allowedHosts of the discovery, or ` +
            'hostname of DkvModule, so that they go together.',
        );
      }
      if (this.session && JSON.stringify(this.session.self) === JSON.stringify(self)) {
        this.onUpdate = onUpdate;
        return;
      }
      await this.end();
      const ended = new AbortController();
      await this.orFailed(() => this.announce(self, ended.signal));
      this.onUpdate = onUpdate;
      this.told = '';
      this.session = { self, ended, loops: this.begin(self, ended.signal) };
    });
  }

  deregister(): Promise<void> {
    this.leaving++;
    return this.inTurn(async () => {
      const { session } = this;
      await this.end();
      this.leaving--;
      if (session) {
        await this.orFailed(() => this.takeBack(session.self));
      }
    });
  }

  async getNodes(): Promise<readonly ClusterNode[]> {
    return this.orFailed(async () => this.sound(await this.list(new AbortController().signal)));
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }

  private async takeBack(self: ClusterNode): Promise<void> {
    try {
      await this.withdraw(self, new AbortController().signal);
    } catch (error) {
      // Forgotten already.
      if (!(error instanceof HttpStatusError && error.status === 404)) {
        throw error;
      }
    }
  }

  /** Nothing is told any more from now on. */
  private async end(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    this.onUpdate = () => undefined;
    session?.ended.abort();
    await Promise.all(session?.loops ?? []);
    this.asking.forget();
    this.announcing.forget();
  }

  private begin(self: ClusterNode, signal: AbortSignal): Promise<void>[] {
    const { renewEveryMs, world } = this;
    const following = this.repeat(this.asking, signal, () => this.followOnce(self, signal));
    if (renewEveryMs === undefined) {
      return [following];
    }
    const renewing = this.repeat(this.announcing, signal, async () => {
      await pause(world.clock, jittered(renewEveryMs, world.random), signal);
      if (!signal.aborted) {
        await this.renew(self, signal);
        this.announcing.over();
      }
    });
    return [following, renewing];
  }

  /** Until the signal is aborted: again soon after it has ended well, later with every failure. */
  private async repeat(outage: Outage, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const { clock, random } = this.world;
    while (!signal.aborted) {
      try {
        await work();
        await pause(clock, ROUND_MS, signal);
      } catch (error) {
        if (!signal.aborted) {
          outage.begins(error as Error);
          const backoffMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(outage.failures - 1, 10));
          await pause(clock, jittered(backoffMs, random), signal);
        }
      }
    }
  }

  private async followOnce(self: ClusterNode, signal: AbortSignal): Promise<void> {
    let isAbsent = false;
    try {
      await this.follow((found) => {
        const nodes = this.sound(found);
        isAbsent = !nodes.some(({ nodeId }) => nodeId === self.nodeId);
        if (isAbsent) {
          throw new Error(`it does not tell of this node, ${self.nodeId}, so it does not know all`);
        }
        this.tell(nodes, signal);
      }, signal);
    } catch (error) {
      if (isAbsent && !signal.aborted) {
        // Forgotten, by a service that lost its memory or took this node for dead.
        await this.announce(self, signal);
      }
      throw error;
    }
  }

  private tell(nodes: readonly ClusterNode[], signal: AbortSignal): void {
    if (signal.aborted || this.leaving > 0) {
      return;
    }
    this.toldMs = this.world.clock.monotonic();
    this.asking.over();
    const text = JSON.stringify(nodes);
    if (text !== this.told) {
      this.told = text;
      this.onUpdate(nodes);
    }
  }

  /** Sorted by id, without those that nobody may connect to. @throws Error where there are too many */
  private sound(found: readonly ClusterNode[]): readonly ClusterNode[] {
    if (found.length > NODES_MAX) {
      throw new Error(`it tells of ${found.length} nodes, and ${NODES_MAX} are the most that there may be`);
    }
    const byId = new Map<string, ClusterNode>();
    for (const { nodeId, host, port, weight, zone } of found) {
      const node = { nodeId, host, port, weight, zone };
      const fault = faultOf(node) ?? (this.hosts.allow(host) ? undefined : notAllowed(node));
      if (fault === undefined) {
        byId.set(nodeId, node);
      } else if (!this.refused.has(fault) && this.refused.size < REFUSED_MAX) {
        this.refused.add(fault);
        this.world.logger.warn(`Discovery by ${this.service} tells of a node that is left out: ${fault}`);
      }
    }
    return [...byId.values()].sort((one, other) => (one.nodeId < other.nodeId ? -1 : 1));
  }

  private async orFailed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (isDkvError(cause)) {
        throw cause;
      }
      throw new DkvError(
        'DKV_DISCOVERY_FAILED',
        `Discovery by ${this.service} failed: ${(cause as Error).message}.`,
        { cause },
      );
    }
  }
}

function notAllowed({ nodeId, host }: ClusterNode): string {
  return `Node ${nodeId} is at ${host}, which allowedHosts has not.`;
}
