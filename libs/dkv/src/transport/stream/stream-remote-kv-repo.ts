/** Asks peers in batched binary frames over one connection each: the transport for throughput. */
import { type ClientRequest, request as httpRequest } from 'node:http';
import { type ConnectionOptions } from 'node:tls';
import { DkvError } from '../../dkv.errors.js';
import { type ClusterNode } from '../../model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../model/peer-protocol.js';
import { type Clock } from '../../ports/clock.js';
import { type PeerObserver } from '../../ports/peer-observer.js';
import { type Random } from '../../ports/random.js';
import {
  type PostLane,
  type RemoteKvMetrics,
  type RemoteKvRepo,
  type SendOptions,
} from '../../ports/remote-kv-repo.js';
import { Disconnects } from '../disconnects.js';
import { tellOfFailure } from '../peer-failures.js';
import {
  BULK_UNSENT_BYTES_MAX,
  LIVE_UNSENT_BYTES_MAX,
  STREAM_PATH,
  STREAM_PROTOCOL,
} from './frame-layout.js';
import { afterThisTurn, type Defer } from './frame-sender.js';
import { type PeerTls } from '../tls/peer-tls.js';
import {
  API_KEY_HEADER,
  FORMAT_HEADER,
  LANE_HEADER,
  NODE_HEADER,
  PEER_FORMAT,
  postBytesMax,
  replyBytesMax,
  requestBytesMax,
} from '../messages/limits.js';
import { InFlightBytes, REQUEST_COST_BYTES } from './stream-calls.js';
import { StreamLink } from './stream-link.js';
import { TlsConnections } from '../tls/tls-connections.js';

export interface StreamRemoteKvRepoOptions {
  /** Of this node: who the peers are told that it is. */
  readonly nodeId: string;
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
  /** With `tls`: the certificate of a node must have its id as a name. Default: not. */
  readonly bindsNodeIds?: boolean;
  /** Connections are encrypted, and both ends show a certificate of the CA. Default: not. */
  readonly tls?: PeerTls;
  /** Told which peers are not reached, or refuse this node, and why. */
  readonly observer?: PeerObserver;
  /** Shared with the controller, which sees the connections that peers make. Default: one of its own. */
  readonly disconnects?: Disconnects;
  /** When to send what a turn of the event loop has brought together. Default: `setImmediate`. */
  readonly defer?: Defer;
}

const LANES: Record<PostLane, { readonly idleMs: number; readonly unsentPostBytesMax: number }> = {
  live: { idleMs: 5 * 60_000, unsentPostBytesMax: LIVE_UNSENT_BYTES_MAX },
  bulk: { idleMs: 30_000, unsentPostBytesMax: BULK_UNSENT_BYTES_MAX },
};
/** Peers that moved leave a link behind at their old address: past so many, those without use are forgotten. */
const LINKS_KEPT = 64;

interface Links {
  readonly live: StreamLink;
  readonly bulk: StreamLink;
}

/** {@link RemoteKvRepo} as streams to the peer port of {@link HttpController}. May be called concurrently. */
export class StreamRemoteKvRepo implements RemoteKvRepo {
  private readonly links = new Map<string, Links>();
  /** The same, found without putting an address together. */
  private linksOf = new WeakMap<ClusterNode, Links>();
  private readonly encrypted: TlsConnections | undefined;
  private readonly disconnects: Disconnects;
  private sentBytes = 0;
  private receivedBytes = 0;
  private closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly options: StreamRemoteKvRepoOptions,
  ) {
    const { valueBytesMax, inFlightBytesMax, tls } = options;
    const atLeast = requestBytesMax(valueBytesMax) + REQUEST_COST_BYTES;
    if (inFlightBytesMax !== undefined && !(inFlightBytesMax >= atLeast)) {
      throw new TypeError(
        `inFlightBytesMax is ${inFlightBytesMax}; with valueBytesMax ${valueBytesMax} it must be at least ${atLeast}.`,
      );
    }
    this.disconnects = options.disconnects ?? new Disconnects();
    this.encrypted = tls && new TlsConnections(tls, options.bindsNodeIds);
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
      this.linksTo(to).live.send(request, options, resolve as (reply: PeerReply) => void, reject);
    });
  }

  post(to: ClusterNode, frame: Uint8Array, lane: PostLane): boolean {
    return !this.closed && this.linksTo(to)[lane].post(frame);
  }

  onDisconnect(listener: (nodeId: string) => void): void {
    this.disconnects.add(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.disconnects.silence();
    await Promise.all(
      Array.from(this.links.values(), ({ live, bulk }) => [live.close(), bulk.close()]).flat(),
    );
  }

  /** Bytes of frames, without those of the upgrade. */
  metrics(): RemoteKvMetrics {
    return { sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }

  private linksTo(to: ClusterNode): Links {
    let links = this.linksOf.get(to);
    if (!links) {
      links = this.linksAt(to);
      this.linksOf.set(to, links);
    }
    return links;
  }

  private linksAt(to: ClusterNode): Links {
    const address = `${to.nodeId}@${to.host}:${to.port}`;
    let links = this.links.get(address);
    if (!links) {
      this.forgetUnused();
      links = { live: this.createLink(to, 'live'), bulk: this.createLink(to, 'bulk') };
      this.links.set(address, links);
    }
    return links;
  }

  private createLink(to: ClusterNode, lane: PostLane): StreamLink {
    const {
      valueBytesMax,
      connectTimeoutMs = 3000,
      keepAliveMs = 2000,
      defer = afterThisTurn,
    } = this.options;
    const requestMax = requestBytesMax(valueBytesMax);
    const { inFlightBytesMax = Math.max(64 * 1024 * 1024, requestMax + REQUEST_COST_BYTES) } = this.options;
    const peer = `Node ${to.nodeId} at ${bracketed(to.host)}:${to.port}`;
    return new StreamLink({
      ...LANES[lane],
      peer,
      clock: this.clock,
      random: this.random,
      defer,
      inFlight: new InFlightBytes(inFlightBytesMax, peer),
      requestBytesMax: requestMax,
      replyBytesMax: replyBytesMax(valueBytesMax),
      postBytesMax: postBytesMax(valueBytesMax),
      connectTimeoutMs,
      keepAliveMs,
      connect: () => this.dial(to, lane),
      sentBytes: (bytes) => {
        this.sentBytes += bytes;
      },
      receivedBytes: (bytes) => {
        this.receivedBytes += bytes;
      },
      failed: (failure) => {
        const { observer } = this.options;
        if (observer && !this.closed) {
          tellOfFailure(observer, to.nodeId, failure);
        }
      },
      disconnected: () => {
        if (lane === 'live') {
          this.disconnects.tell(to.nodeId);
        }
      },
    });
  }

  private dial({ host, port, nodeId: to }: ClusterNode, lane: PostLane): ClientRequest {
    const { encrypted } = this;
    const { apiKey, nodeId } = this.options;
    return httpRequest({
      host,
      port,
      path: STREAM_PATH,
      headers: {
        Connection: 'Upgrade',
        Upgrade: STREAM_PROTOCOL,
        [API_KEY_HEADER]: apiKey,
        [FORMAT_HEADER]: String(PEER_FORMAT),
        [NODE_HEADER]: nodeId,
        [LANE_HEADER]: lane,
      },
      // Not both: an agent would make connections of its own kind.
      ...(encrypted
        ? { createConnection: (address) => encrypted.connect(address as ConnectionOptions, to) }
        : { agent: false }),
    });
  }

  private forgetUnused(): void {
    if (this.links.size >= LINKS_KEPT) {
      this.linksOf = new WeakMap();
      for (const [address, { live, bulk }] of this.links) {
        if (live.isUnused && bulk.isUnused) {
          this.links.delete(address);
        }
      }
    }
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
