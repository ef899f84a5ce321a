/** Asks peers in batched binary frames over one WebSocket each: the transport for throughput. */
import { type createConnection } from 'node:net';
import { WebSocket } from 'ws';
import { DkvError } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../model/peer-protocol.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type Random } from '../ports/random.js';
import { type RemoteKvMetrics, type RemoteKvRepo, type SendOptions } from '../ports/remote-kv-repo.js';
import {
  MESSAGE_BYTES_MAX,
  STREAM_PATH,
  STREAM_PROTOCOL,
  streamReplyBytesMax,
  streamRequestBytesMax,
} from '../wire/frames/frame-layout.js';
import { afterThisTurn, type Defer } from '../wire/frames/frame-sender.js';
import { HandshakeLog, type PeerTls } from '../wire/frames/peer-tls.js';
import { API_KEY_HEADER } from '../wire/limits.js';
import { InFlightBytes, REQUEST_COST_BYTES } from './stream-calls.js';
import { StreamLink } from './stream-link.js';
import { TlsConnections } from './tls-connections.js';

export interface StreamRemoteKvRepoOptions {
  /** The same on every node; sent at the upgrade of every connection. */
  readonly apiKey: string;
  /** The same on every node; bounds requests and answers. */
  readonly valueBytesMax: number;
  /**
   * Bytes of requests to one peer that wait to be sent or answered, past which callers get `DKV_OVERLOADED`; must
   * hold at least one request. Raising it costs as much memory for each slow peer. Default 64 MiB.
   */
  readonly inFlightBytesMax?: number;
  /** How long a connection may take to be made. Default 3 s. */
  readonly connectTimeoutMs?: number;
  /** A silent connection is asked for a sign of life after one to two of these and cut one later. Default 2 s. */
  readonly keepAliveMs?: number;
  /** Connections are encrypted, and both ends show a certificate of the CA. Default: not. */
  readonly tls?: PeerTls;
  /** Told why a peer's certificate, or this node's, was refused. */
  readonly logger?: Logger;
  /** When to send what a turn of the event loop has brought together. Default: `setImmediate`. */
  readonly defer?: Defer;
}

const IDLE_MS = 5 * 60_000;
/** Peers that moved leave a link behind at their old address: past so many, those without use are forgotten. */
const LINKS_KEPT = 64;

/** {@link RemoteKvRepo} over `ws`, to the peer port of {@link HttpController}. May be called concurrently. */
export class StreamRemoteKvRepo implements RemoteKvRepo {
  private readonly links = new Map<string, StreamLink>();
  /** The same, found without putting an address together. */
  private linkOf = new WeakMap<ClusterNode, StreamLink>();
  private readonly encrypted: TlsConnections | undefined;
  private sentBytes = 0;
  private receivedBytes = 0;
  private closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly options: StreamRemoteKvRepoOptions,
  ) {
    const { apiKey, valueBytesMax, inFlightBytesMax, tls, logger } = options;
    const atLeast = streamRequestBytesMax(valueBytesMax) + REQUEST_COST_BYTES;
    if (!apiKey) {
      throw new TypeError('apiKey must not be empty.');
    }
    if (inFlightBytesMax !== undefined && !(inFlightBytesMax >= atLeast)) {
      throw new TypeError(
        `inFlightBytesMax is ${inFlightBytesMax}; with valueBytesMax ${valueBytesMax} it must be at least ${atLeast}.`,
      );
    }
    this.encrypted = tls && new TlsConnections(tls, logger && new HandshakeLog(clock, logger));
  }

  /**
   * @throws DkvError as the port says; also `DKV_ABORTED`, `DKV_NOT_READY` after `close`, `DKV_VALUE_TOO_LARGE`,
   *   `DKV_CORRUPT_RECORD` and `DKV_PROTOCOL` for an answer that is not of the protocol. A peer that cannot be
   *   connected to is asked again after a pause that grows to a second; until then this fails at once.
   */
  send<K extends PeerRequestKind>(
    to: ClusterNode,
    request: PeerRequest<K>,
    options: SendOptions,
  ): Promise<PeerReply<K>> {
    // The one promise between the caller and the socket: each costs a turn of the microtasks and garbage.
    return new Promise((resolve, reject) => {
      if (this.closed) {
        throw new DkvError('DKV_NOT_READY', 'This node is closing and sends nothing any more.');
      }
      if (options.signal?.aborted) {
        throw new DkvError('DKV_ABORTED', `The request to node ${to.nodeId} was aborted before it was sent.`);
      }
      this.linkTo(to).send(request, options, resolve as (reply: PeerReply) => void, reject);
    });
  }

  /** This transport carries requests alone. */
  post(): boolean {
    return false;
  }

  onDisconnect(): void {}

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(Array.from(this.links.values(), (link) => link.close()));
  }

  /** Bytes of WebSocket messages, without the protocol's own. */
  metrics(): RemoteKvMetrics {
    return { sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }

  private linkTo(to: ClusterNode): StreamLink {
    let link = this.linkOf.get(to);
    if (!link) {
      link = this.linkAt(to);
      this.linkOf.set(to, link);
    }
    return link;
  }

  private linkAt(to: ClusterNode): StreamLink {
    const address = `${to.nodeId}@${to.host}:${to.port}`;
    let link = this.links.get(address);
    if (!link) {
      this.forgetUnused();
      link = this.createLink(to);
      this.links.set(address, link);
    }
    return link;
  }

  private createLink(to: ClusterNode): StreamLink {
    const {
      valueBytesMax,
      connectTimeoutMs = 3000,
      keepAliveMs = 2000,
      defer = afterThisTurn,
    } = this.options;
    const requestBytesMax = streamRequestBytesMax(valueBytesMax);
    const { inFlightBytesMax = Math.max(64 * 1024 * 1024, requestBytesMax + REQUEST_COST_BYTES) } =
      this.options;
    const peer = `Node ${to.nodeId} at ${bracketed(to.host)}:${to.port}`;
    return new StreamLink({
      peer,
      clock: this.clock,
      random: this.random,
      defer,
      inFlight: new InFlightBytes(inFlightBytesMax, peer),
      requestBytesMax,
      replyBytesMax: streamReplyBytesMax(valueBytesMax),
      connectTimeoutMs,
      keepAliveMs,
      idleMs: IDLE_MS,
      connect: () => this.connect(to),
      sentBytes: (bytes) => {
        this.sentBytes += bytes;
      },
      receivedBytes: (bytes) => {
        this.receivedBytes += bytes;
      },
    });
  }

  private connect({ host, port }: ClusterNode): WebSocket {
    const { encrypted } = this;
    const scheme = encrypted ? 'wss' : 'ws';
    return new WebSocket(`${scheme}://${bracketed(host)}:${port}${STREAM_PATH}`, STREAM_PROTOCOL, {
      headers: { [API_KEY_HEADER]: this.options.apiKey },
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      skipUTF8Validation: true,
      // No mask: it guards proxies against scripts in browsers, and costs a copy of every byte at either end.
      generateMask: () => undefined,
      ...(encrypted && { createConnection: encrypted.connect as typeof createConnection }),
    });
  }

  private forgetUnused(): void {
    if (this.links.size >= LINKS_KEPT) {
      this.linkOf = new WeakMap();
      for (const [address, link] of this.links) {
        if (link.isUnused) {
          this.links.delete(address);
        }
      }
    }
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
