/** The other nodes: one request to one peer, or a frame that wants no answer. A transport is a RemoteKvRepo and a Controller. */
import { type ClusterNode } from '../model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../model/peer-protocol.js';

export interface SendOptions {
  /** After this long the request is given up with `DKV_PEER_DISCONNECTED`. Milliseconds. */
  readonly timeoutMs: number;
  /** After this long an unsent request is given up with `DKV_PEER_UNREACHABLE`. Default: `timeoutMs`. */
  readonly unsentTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * `live`: small and in time, on the connection of the requests; `bulk`: a connection of its own, opened when first
 * needed and closed when idle, so that snapshots never hold a heartbeat up.
 */
export type PostLane = 'live' | 'bulk';

/** A posted frame has at most the bytes of the largest value and so many more: room for a batch beside one entry. */
export const POST_OVERHEAD_BYTES = 1024 * 1024;

export interface RemoteKvMetrics {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Errors tell what is known: `DKV_PEER_UNREACHABLE`, nothing was sent, so asking another node is safe;
 * `DKV_PEER_DISCONNECTED`, it may or may not have been carried out; `DKV_OVERLOADED`, too many bytes wait,
 * nothing was sent; any other code is the peer's own answer.
 */
export interface RemoteKvRepo {
  send<K extends PeerRequestKind>(
    to: ClusterNode,
    request: PeerRequest<K>,
    options: SendOptions,
  ): Promise<PeerReply<K>>;
  /**
   * Hands over a one-way frame, which is the transport's from then on: delivered whole, at most once and in the order of
   * the lane, or not at all. Never waits; false when it was dropped at once, since no connection is open (one is then
   * being made) or the lane's bound of bytes is met.
   * @throws TypeError for a frame larger than `valueBytesMax` + {@link POST_OVERHEAD_BYTES}
   */
  post(to: ClusterNode, frame: Uint8Array, lane: PostLane): boolean;
  /**
   * Calls `listener` whenever the live connection with a node ends, either the one made from here or the one made from
   * there, after the last of its frames was handed on. So it is called twice for a node whose process ends. It must not
   * throw. Not called for what ends because this node closes.
   */
  onDisconnect(listener: (nodeId: string) => void): void;
  /** Gives up what is under way and closes connections. */
  close(): Promise<void>;
  metrics(): RemoteKvMetrics;
}

export const RemoteKvRepo = Symbol('DkvRemoteKvRepo');
