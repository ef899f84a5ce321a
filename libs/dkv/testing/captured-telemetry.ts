/** Telemetry that keeps what was reported, as texts: the event and what it was told. */
import { NO_TELEMETRY, type Telemetry } from '../src/ports/telemetry.js';

export interface CapturedTelemetry extends Telemetry {
  /** In order, durations left out: `quorumFailure get`. */
  readonly events: readonly string[];
}

export function captureTelemetry(): CapturedTelemetry {
  const events: string[] = [];
  return {
    ...NO_TELEMETRY,
    events,
    operation: (namespace, operation, result) => events.push(`operation ${namespace} ${operation} ${result}`),
    peerCall: (nodeId, kind) => events.push(`peerCall ${nodeId} ${kind}`),
    peersChanged: (nodeIds) => events.push(`peersChanged ${nodeIds.join()}`),
    quorumFailure: (operation) => events.push(`quorumFailure ${operation}`),
    readRepair: () => events.push('readRepair'),
    conflict: () => events.push('conflict'),
    antiEntropyBytes: (direction, bytes) => events.push(`antiEntropyBytes ${direction} ${bytes}`),
    clockSkew: (nodeId, seconds) => events.push(`clockSkew ${nodeId} ${seconds}`),
    hintOverflow: () => events.push('hintOverflow'),
    expiredKeys: (count) => events.push(`expiredKeys ${count}`),
  };
}
