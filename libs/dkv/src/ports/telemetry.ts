/** What the parts of a node report of themselves; never labelled by key, caller or address. */
import { type PeerRequestKind } from '../model/peer-protocol.js';

export type Operation = 'get' | 'addOrUpdate' | 'remove' | 'touch' | 'increment';

export interface Telemetry {
  /** `valueBytes`: of the value that was written or given; 0 for none. */
  operation(
    namespace: string,
    operation: Operation,
    result: string,
    seconds: number,
    valueBytes: number,
  ): void;
  peerCall(nodeId: string, kind: string, seconds: number): void;
  /** The nodes that this one talks to from now on: what was told of others need not be shown any more. */
  peersChanged(nodeIds: readonly string[]): void;
  quorumFailure(operation: Operation): void;
  readRepair(): void;
  conflict(): void;
  antiEntropyBytes(direction: 'in' | 'out', bytes: number): void;
  clockSkew(nodeId: string, seconds: number): void;
  hintOverflow(): void;
  /** Expired values that became tombstones. */
  expiredKeys(count: number): void;
  /** An HTTP request on the peer port was answered. `route`: one of a few, whatever was asked for. */
  httpRequest(route: string, status: number, seconds: number): void;
  /** A stream of a peer was opened (1) or has ended (-1). */
  streamsOpen(change: number): void;
  /** A request of a peer was answered over a stream. */
  streamRequest(kind: PeerRequestKind, result: 'ok' | 'error'): void;
  /** A one-way frame of a peer was taken. */
  frame(bytes: number): void;
}

export const Telemetry = Symbol('DkvTelemetry');

/** Reports nothing. */
export const NO_TELEMETRY: Telemetry = {
  operation() {},
  peerCall() {},
  peersChanged() {},
  quorumFailure() {},
  readRepair() {},
  conflict() {},
  antiEntropyBytes() {},
  clockSkew() {},
  hintOverflow() {},
  expiredKeys() {},
  httpRequest() {},
  streamsOpen() {},
  streamRequest() {},
  frame() {},
};
