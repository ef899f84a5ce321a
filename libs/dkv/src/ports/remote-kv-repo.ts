/** The other nodes: one request to one peer. A transport is a RemoteKvRepo and a Controller, nothing else. */
import { type ClusterNode } from '../model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../model/peer-protocol.js';

export interface SendOptions {
  /** After this long the request is given up with `DKV_PEER_DISCONNECTED`. Milliseconds. */
  readonly timeoutMs: number;
  /** After this long an unsent request is given up with `DKV_PEER_UNREACHABLE`. Default: `timeoutMs`. */
  readonly unsentTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

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
  /** Gives up what is under way and closes connections. */
  close(): Promise<void>;
  metrics(): RemoteKvMetrics;
}

export const RemoteKvRepo = Symbol('DkvRemoteKvRepo');
