/** Asks peers over plain HTTP: the transport that passes whatever lets nothing but requests and answers through. */
import { type HttpService } from '@nestjs/axios';
import { Agent } from 'node:http';
import { onAbort } from '../../model/abort-listeners.js';
import { DkvError, isDkvError } from '../../dkv.errors.js';
import { type ClusterNode } from '../../model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../model/peer-protocol.js';
import { type Clock, type Timer } from '../../ports/clock.js';
import { type PeerObserver } from '../../ports/peer-observer.js';
import {
  type PostLane,
  type RemoteKvMetrics,
  type RemoteKvRepo,
  type SendOptions,
} from '../../ports/remote-kv-repo.js';
import { Disconnects } from '../disconnects.js';
import { tellOfFailure } from '../peer-failures.js';
import { toPeerError } from '../messages/error-body.js';
import { type PeerTls } from '../tls/peer-tls.js';
import { postBytesMax, replyBytesMax, requestBytesMax } from '../messages/limits.js';
import { decodePeerReply, encodePeerRequest } from '../messages/peer-codec.js';
import { HttpPosts } from './http-posts.js';
import { HttpExchange, type RawReply } from './http-exchange.js';
import { TlsConnections } from '../tls/tls-connections.js';

export interface HttpRemoteKvRepoOptions {
  /** Of this node: who the peers are told that it is. */
  readonly nodeId: string;
  /** The same on every node; sent in every request. */
  readonly apiKey: string;
  /** The same on every node; bounds requests and answers. */
  readonly valueBytesMax: number;
  /**
   * Bytes of requests under way to all peers together, past which callers get `DKV_OVERLOADED`; must hold at
   * least one request. Raising it costs as much memory while peers are slow. Default 64 MiB.
   */
  readonly inFlightBytesMax?: number;
  /** Connections to one peer, per lane; more requests than that wait. Raising it costs the peer sockets. Default 64. */
  readonly socketsPerPeerMax?: number;
  /** With `tls`: the certificate of a node must have its id as a name. Default: not. */
  readonly bindsNodeIds?: boolean;
  /** Connections are encrypted, and both ends show a certificate of the CA. Default: not. */
  readonly tls?: PeerTls;
  /** Told which peers are not reached, or refuse this node, and why. */
  readonly observer?: PeerObserver;
}

/** So that a flood of requests without values meets the bound as well: about what one costs in memory. */
const REQUEST_COST_BYTES = 2048;

/** So long may what was posted last be under way when this closes: a peer that does not answer holds up no stop. */
const LAST_POSTS_MS = 500;

/** Below the peer's keep-alive time, so that idle connections are closed from this side: no race for the last one. */
const IDLE_SOCKET_MS = 30_000;

/**
 * Requests of one lane wait for each other's connections, never for another lane's. A forwarded write is answered
 * only after its coordinator asked the replicas: in one lane, two nodes that forward to each other would wait for
 * ever.
 */
type Lane = 'forward' | 'other' | PostLane;

function laneOf(kind: PeerRequestKind): Lane {
  return kind === 'forward' ? kind : 'other';
}

/** {@link RemoteKvRepo} as `POST /peer/{kind}` on an axios `HttpService`. May be called concurrently. */
/** More than a cluster has; past it they are noted anew. */
const ADDRESSES_MAX = 1_000;

export class HttpRemoteKvRepo implements RemoteKvRepo {
  /** By address, where they are bound to certificates. */
  private readonly nodeIds = new Map<string, string>();
  private readonly agents: Readonly<Record<Lane, Agent>>;
  private readonly posts: HttpPosts;
  private readonly disconnects = new Disconnects();
  private readonly requestBytesMax: number;
  private readonly replyBytesMax: number;
  private readonly inFlightBytesMax: number;
  private readonly underWay = new Map<HttpExchange, Lane>();
  private inFlightBytes = 0;
  private sentBytes = 0;
  private receivedBytes = 0;
  private closed = false;

  constructor(
    private readonly http: HttpService,
    private readonly clock: Clock,
    private readonly options: HttpRemoteKvRepoOptions,
  ) {
    const { valueBytesMax, inFlightBytesMax = 64 * 1024 * 1024, socketsPerPeerMax = 64 } = options;
    const { tls } = options;
    this.requestBytesMax = requestBytesMax(valueBytesMax);
    this.replyBytesMax = replyBytesMax(valueBytesMax);
    this.inFlightBytesMax = inFlightBytesMax;
    if (!(inFlightBytesMax >= this.requestBytesMax + REQUEST_COST_BYTES)) {
      throw new TypeError(
        `inFlightBytesMax is ${inFlightBytesMax}; with valueBytesMax ${valueBytesMax} it must be at least ` +
          `${this.requestBytesMax + REQUEST_COST_BYTES}.`,
      );
    }
    const encrypted = tls && new TlsConnections(tls, options.bindsNodeIds);
    const agent = (sockets: number): Agent => {
      const pool = {
        keepAlive: true,
        // The one used last is the least likely to be stale; the others time out.
        scheduling: 'lifo',
        timeout: IDLE_SOCKET_MS,
        maxSockets: sockets,
        maxFreeSockets: sockets,
      } as const;
      return encrypted
        ? encrypted.agent(pool, ({ host, port }) => this.nodeIds.get(`${host}:${port}`))
        : new Agent(pool);
    };
    this.agents = {
      forward: agent(socketsPerPeerMax),
      other: agent(socketsPerPeerMax),
      live: agent(1),
      bulk: agent(1),
    };
    this.posts = new HttpPosts(clock, postBytesMax(valueBytesMax), {
      carry: (to, lane, body, timeoutMs) => this.carryPosts(to, lane, body, timeoutMs),
      disconnected: (nodeId) => this.disconnects.tell(nodeId),
    });
  }

  /**
   * @throws DkvError as the port says; also `DKV_ABORTED`, `DKV_NOT_READY` after `close`, `DKV_VALUE_TOO_LARGE`,
   *   `DKV_CORRUPT_RECORD` and `DKV_PROTOCOL` for an answer that is not of the protocol.
   */
  async send<K extends PeerRequestKind>(
    to: ClusterNode,
    request: PeerRequest<K>,
    options: SendOptions,
  ): Promise<PeerReply<K>> {
    if (this.closed) {
      throw new DkvError('DKV_NOT_READY', 'This node is closing and sends nothing any more.');
    }
    if (options.signal?.aborted) {
      throw new DkvError('DKV_ABORTED', `The request to node ${to.nodeId} was aborted before it was sent.`);
    }
    const body = this.encode(request);
    const costBytes = body.length + REQUEST_COST_BYTES;
    if (this.inFlightBytes + costBytes > this.inFlightBytesMax) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.inFlightBytes} bytes of requests to peers are under way, ${this.inFlightBytesMax} are allowed. ` +
          `Try again later.`,
      );
    }
    this.inFlightBytes += costBytes;
    try {
      const reply = await this.exchange(to, request.kind, laneOf(request.kind), body, options);
      return this.decode(to, request.kind, reply);
    } finally {
      this.inFlightBytes -= costBytes;
    }
  }

  post(to: ClusterNode, frame: Uint8Array, lane: PostLane): boolean {
    return !this.closed && this.posts.post(to, frame, lane);
  }

  /** Noticed when a request that carries frames fails, and not before: nothing is open in between. */
  onDisconnect(listener: (nodeId: string) => void): void {
    this.disconnects.add(listener);
  }

  /** Requests end at once; what was posted, good-byes among it, has a moment to go out. */
  async close(): Promise<void> {
    this.closed = true;
    this.disconnects.silence();
    this.giveUp(['forward', 'other']);
    let late: Timer | undefined;
    const moment = new Promise<void>((resolve) => (late = this.clock.schedule(LAST_POSTS_MS, resolve)));
    await Promise.race([this.posts.settled(), moment]);
    late?.cancel();
    this.giveUp(['live', 'bulk']);
    for (const agent of Object.values(this.agents)) {
      agent.destroy();
    }
  }

  private giveUp(lanes: readonly Lane[]): void {
    for (const [exchange, lane] of this.underWay) {
      if (lanes.includes(lane)) {
        exchange.giveUp('this node is closing.');
      }
    }
  }

  /** Bytes of bodies, without HTTP's own. */
  metrics(): RemoteKvMetrics {
    return { sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }

  private encode<K extends PeerRequestKind>(request: PeerRequest<K>): Buffer {
    const body = encodePeerRequest(request);
    if (body.length > this.requestBytesMax) {
      throw new DkvError(
        'DKV_VALUE_TOO_LARGE',
        `The ${request.kind} request has ${body.length} bytes; ${this.requestBytesMax} are allowed with ` +
          `valueBytesMax ${this.options.valueBytesMax}.`,
      );
    }
    return body;
  }

  /** Who is to be at an address, for connections that are made there; those to whoever was there before are not used again. */
  private noteAddress(to: ClusterNode): void {
    const address = `${to.host}:${to.port}`;
    if (!this.options.bindsNodeIds || this.nodeIds.get(address) === to.nodeId) {
      return;
    }
    if (this.nodeIds.size >= ADDRESSES_MAX) {
      this.nodeIds.clear();
    }
    this.nodeIds.set(address, to.nodeId);
    this.dropIdleConnections(to);
  }

  private async exchange(
    to: ClusterNode,
    path: string,
    lane: Lane,
    body: Buffer,
    { timeoutMs, unsentTimeoutMs = timeoutMs, signal }: SendOptions,
  ): Promise<RawReply> {
    this.noteAddress(to);
    const exchange = new HttpExchange(this.http, {
      url: `${this.options.tls ? 'https' : 'http'}://${bracketed(to.host)}:${to.port}/peer/${path}`,
      peer: nameOf(to),
      apiKey: this.options.apiKey,
      agent: this.agents[lane],
      nodeId: this.options.nodeId,
      replyBytesMax: this.replyBytesMax,
    });
    const timer = this.clock.schedule(timeoutMs, () => exchange.giveUp(`no answer in ${timeoutMs} ms.`));
    const unsentTimer = this.clock.schedule(unsentTimeoutMs, () => {
      if (!exchange.mayHaveBeenSent) {
        exchange.giveUp(`no connection in ${unsentTimeoutMs} ms.`);
      }
    });
    const forgetSignal =
      signal && onAbort(signal, () => exchange.giveUp('the request was aborted.', 'DKV_ABORTED'));
    this.underWay.set(exchange, lane);
    try {
      const reply = await exchange.run(body);
      this.receivedBytes += reply.body.length;
      return reply;
    } catch (error) {
      if (exchange.usedIdleConnection && isDkvError(error, 'DKV_PEER_DISCONNECTED')) {
        this.dropIdleConnections(to);
      }
      this.tellOfFailure(to, error as DkvError);
      throw error;
    } finally {
      this.sentBytes += exchange.mayHaveBeenSent ? body.length : 0;
      this.underWay.delete(exchange);
      forgetSignal?.();
      timer.cancel();
      unsentTimer.cancel();
    }
  }

  private decode<K extends PeerRequestKind>(
    to: ClusterNode,
    kind: K,
    { status, body }: RawReply,
  ): PeerReply<K> {
    if (status !== 200) {
      throw this.refusalOf(to, { status, body });
    }
    return decodePeerReply(kind, body);
  }

  /** @throws DkvError if the peer did not say that it took them */
  private async carryPosts(to: ClusterNode, lane: PostLane, body: Buffer, timeoutMs: number): Promise<void> {
    const reply = await this.exchange(to, `post/${lane}`, lane, body, { timeoutMs });
    if (reply.status !== 204) {
      throw this.refusalOf(to, reply);
    }
  }

  private refusalOf(to: ClusterNode, { status, body }: RawReply): DkvError {
    const refusal = toPeerError(status, parseJson(body), nameOf(to));
    this.tellOfFailure(to, refusal);
    return refusal;
  }

  private tellOfFailure({ nodeId }: ClusterNode, failure: DkvError): void {
    const { observer } = this.options;
    if (observer && !this.closed) {
      tellOfFailure(observer, nodeId, failure);
    }
  }

  /**
   * A peer that vanished without a word (a lost machine, a restart behind a cut link) leaves every idle
   * connection stale: without this each would cost one more failed request.
   */
  private dropIdleConnections({ host, port }: ClusterNode): void {
    for (const agent of Object.values(this.agents)) {
      for (const [name, sockets = []] of Object.entries(agent.freeSockets)) {
        // What follows in the name of an agent's pool is of TLS.
        if (name.startsWith(`${host}:${port}:`)) {
          [...sockets].forEach((socket) => socket.destroy());
        }
      }
    }
  }
}

function nameOf({ nodeId, host, port }: ClusterNode): string {
  return `Node ${nodeId} at ${bracketed(host)}:${port}`;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Undefined when `body` is no JSON, which no error of the protocol is. */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}
