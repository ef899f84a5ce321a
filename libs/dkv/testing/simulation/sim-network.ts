/** The network of a simulation: requests and replies over faulty links, with a real transport's errors. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type PeerService } from '../../src/ports/controller.js';
import { type RemoteKvRepo } from '../../src/ports/remote-kv-repo.js';
import { type Incarnation } from './incarnation.js';
import { SimPosts } from './sim-posts.js';
import { SimRemoteKvRepo } from './sim-remote-kv-repo.js';
import { CALM_LINK, SimLink, type LinkFaults } from './sim-link.js';
import { type SimRandom } from './sim-random.js';
import { type SimScheduler } from './sim-scheduler.js';
import { type SimTrace } from './trace.js';

/** How the ends of connections behave. Rates are probabilities from 0 to 1. */
export interface ConnectionFaults {
  /** Where nobody listens, the caller is told so at once (else it waits for its time-out). */
  readonly refuseRate: number;
  /** A caller learns at once that the node it had asked died (else it waits for its time-out). */
  readonly resetRate: number;
  /** Over a cut link the caller learns that it could not connect (else it waits for its time-out). */
  readonly connectFailureRate: number;
}

export interface SimNetworkOptions {
  readonly scheduler: SimScheduler;
  readonly random: SimRandom;
  readonly trace: SimTrace;
  /** What links are like unless told otherwise. Default {@link CALM_LINK}. */
  readonly faults?: Partial<LinkFaults>;
  readonly connections?: Partial<ConnectionFaults>;
}

interface Listener {
  readonly incarnation: Incarnation;
  readonly service: PeerService;
}

/**
 * Nodes are addressed by node id: a message reaches whichever incarnation of the target listens when it
 * arrives, also one that was not born when it was sent, and also when its sender is dead by then.
 */
export class SimNetwork {
  readonly scheduler: SimScheduler;
  readonly trace: SimTrace;
  connections: ConnectionFaults;
  readonly posts = new SimPosts(this);
  private faults: LinkFaults;
  private readonly random: SimRandom;
  private readonly links = new Map<string, SimLink>();
  private readonly listeners = new Map<string, Listener>();
  private exchanges = 0;

  constructor({ scheduler, random, trace, faults, connections }: SimNetworkOptions) {
    this.scheduler = scheduler;
    this.trace = trace;
    this.random = random;
    this.faults = { ...CALM_LINK, ...faults };
    this.connections = { refuseRate: 0.7, resetRate: 0.7, connectFailureRate: 0.3, ...connections };
  }

  /** The outbound side of a node, for as long as `incarnation` lives. */
  remote(incarnation: Incarnation): RemoteKvRepo {
    return new SimRemoteKvRepo(this, incarnation);
  }

  /** The inbound side: `service` is asked until the incarnation dies, or until the answer is called. */
  listen(incarnation: Incarnation, service: PeerService): () => void {
    const { nodeId } = incarnation;
    if (this.listeners.has(nodeId)) {
      throw new TypeError(`Node ${nodeId} listens already; kill or stop its earlier incarnation first.`);
    }
    this.listeners.set(nodeId, { incarnation, service });
    const stop = (): void => {
      if (this.listeners.get(nodeId)?.incarnation === incarnation) {
        this.listeners.delete(nodeId);
        this.posts.ended(nodeId);
      }
    };
    incarnation.onKill(stop);
    return stop;
  }

  /** Who answers for `nodeId` now. */
  listener(nodeId: string): Listener | undefined {
    return this.listeners.get(nodeId);
  }

  /** The direction from one node to another; made on first use. */
  link(from: string, to: string): SimLink {
    const name = `${from}>${to}`;
    let link = this.links.get(name);
    if (link === undefined) {
      link = new SimLink(this, name, this.random.fork(`link ${name}`), this.faults);
      this.links.set(name, link);
    }
    return link;
  }

  /** Sets the faults of every link, those not made yet included. Cuts and clogs stay. */
  setFaults(faults: Partial<LinkFaults>): void {
    this.faults = { ...this.faults, ...faults };
    for (const link of this.links.values()) {
      link.faults = { ...link.faults, ...faults };
    }
  }

  /** Everything from `from` to `to` is lost; the other direction is as it was. */
  cut(from: string, to: string): void {
    this.link(from, to).sever();
    this.posts.cut(from, to);
  }

  /** No message passes between the two sides. A node in neither sees both. */
  partition(one: readonly string[], other: readonly string[]): void {
    for (const left of one) {
      for (const right of other) {
        this.cut(left, right);
        this.cut(right, left);
      }
    }
  }

  /** Messages from `from` to `to` are held back until it is healed, and then arrive late. */
  clog(from: string, to: string): void {
    this.link(from, to).clog();
  }

  /** Ends all cuts and clogs and sets every link to `faults` over a calm one. */
  heal(faults: Partial<LinkFaults> = {}): void {
    this.setFaults({ ...CALM_LINK, ...faults });
    for (const link of this.links.values()) {
      link.heal();
    }
  }

  /** Numbers the requests, for the trace. */
  nextExchange(): number {
    return ++this.exchanges;
  }

  /** Asks `listener` as the transport does. Async, so that what it throws at once is a rejection too. */
  async serve<K extends PeerRequestKind>(listener: Listener, request: PeerRequest<K>): Promise<PeerReply<K>> {
    const { service } = listener;
    return (service.serveNow?.(request) as PeerReply<K> | undefined) ?? service.serve(request);
  }
}
