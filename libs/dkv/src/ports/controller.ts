/** The inbound side: listens on the peer port and hands requests to the Processor. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../model/peer-protocol.js';

/** What a node serves to its peers: the other end of RemoteKvRepo. Implemented by the Processor. */
export interface PeerService {
  /** Answers, or throws a DkvError whose code travels back. */
  serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>>;
  /**
   * What `serve` would give, where it can be said without waiting; undefined where it cannot, with nothing done. A
   * service without it is asked by `serve` alone.
   */
  serveNow?(request: PeerRequest): PeerReply | undefined;
  /**
   * Takes a one-way frame of the node `from`, which is who the connection introduced itself as. `frame` is a view that
   * is good during the call alone: what is kept of it must be copied. Must not throw.
   */
  receive(from: string, frame: Uint8Array): void;
}

export interface Controller {
  /**
   * Listens and serves until stopped. Resolves when it listens, with the port it got.
   * @throws DkvError `DKV_PORT_IN_USE`
   */
  start(): Promise<{ readonly port: number }>;
  /** Stops taking requests, lets those under way end, closes connections. */
  stop(): Promise<void>;
}

export const Controller = Symbol('DkvController');
