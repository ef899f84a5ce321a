/** What the core reports of itself; never labelled by key. */

export type Operation = 'get' | 'addOrUpdate' | 'remove' | 'touch' | 'increment';

export interface Telemetry {
  operation(namespace: string, operation: Operation, result: string, seconds: number): void;
  peerCall(nodeId: string, kind: string, seconds: number): void;
  quorumFailure(operation: Operation): void;
  readRepair(): void;
  conflict(): void;
  antiEntropyBytes(direction: 'in' | 'out', bytes: number): void;
  clockSkew(nodeId: string, seconds: number): void;
  clockSkewRefused(nodeId: string): void;
  hintOverflow(): void;
  /** Expired values that became tombstones. */
  expiredKeys(count: number): void;
}

export const Telemetry = Symbol('DkvTelemetry');

/** Reports nothing. */
export const NO_TELEMETRY: Telemetry = {
  operation() {},
  peerCall() {},
  quorumFailure() {},
  readRepair() {},
  conflict() {},
  antiEntropyBytes() {},
  clockSkew() {},
  clockSkewRefused() {},
  hintOverflow() {},
  expiredKeys() {},
};
