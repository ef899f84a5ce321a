/** What is measured while it happens: the core's telemetry as Prometheus counters and histograms. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type Operation, type Telemetry } from '../ports/telemetry.js';

/** From a local read to a write that waits for a slow disk, in seconds. */
const BUCKETS = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

export class PrometheusTelemetry implements Telemetry {
  private readonly operations;
  private readonly operationDuration;
  private readonly peerDuration;
  private readonly quorumFailures;
  private readonly readRepairs;
  private readonly conflicts;
  private readonly repairBytes;
  private readonly skew;
  private readonly skewRefused;
  private readonly hintOverflows;
  private readonly expired;

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string, labelNames: string[] = []) =>
      new Counter({ name: `dkv_${name}_total`, help, labelNames, registers });
    this.operations = counter('operations', 'Operations of callers on this node', ['store', 'op', 'result']);
    this.quorumFailures = counter('quorum_failures', 'Operations for which too few nodes could be reached', [
      'op',
    ]);
    this.readRepairs = counter('read_repairs', 'Quorum reads that met different versions');
    this.conflicts = counter('conflicts', 'Joins of unlike values by the merger');
    this.repairBytes = counter('anti_entropy_bytes', 'Bytes moved by anti-entropy', ['direction']);
    this.skewRefused = counter('clock_skew_refused', 'Messages refused because of the sender clock', [
      'peer',
    ]);
    this.hintOverflows = counter('hint_overflows', 'Hints not kept; anti-entropy repairs instead');
    this.expired = counter('expired_keys', 'Expired values that this node made tombstones');
    this.operationDuration = new Histogram({
      name: 'dkv_operation_duration_seconds',
      help: 'Time of operations of callers on this node',
      labelNames: ['store', 'op'],
      buckets: BUCKETS,
      registers,
    });
    this.peerDuration = new Histogram({
      name: 'dkv_peer_rpc_duration_seconds',
      help: 'Time of requests to peers',
      labelNames: ['peer', 'method'],
      buckets: BUCKETS,
      registers,
    });
    this.skew = new Gauge({
      name: 'dkv_clock_skew_seconds',
      help: 'How far the clock of a peer seemed ahead, message delay included',
      labelNames: ['peer'],
      registers,
    });
  }

  operation(store: string, op: Operation, result: string, seconds: number): void {
    this.operations.inc({ store, op, result });
    this.operationDuration.observe({ store, op }, seconds);
  }

  peerCall(peer: string, method: string, seconds: number): void {
    this.peerDuration.observe({ peer, method }, seconds);
  }

  quorumFailure(op: Operation): void {
    this.quorumFailures.inc({ op });
  }

  readRepair(): void {
    this.readRepairs.inc();
  }

  conflict(): void {
    this.conflicts.inc();
  }

  antiEntropyBytes(direction: 'in' | 'out', bytes: number): void {
    this.repairBytes.inc({ direction }, bytes);
  }

  clockSkew(peer: string, seconds: number): void {
    this.skew.set({ peer }, seconds);
  }

  clockSkewRefused(peer: string): void {
    this.skewRefused.inc({ peer });
  }

  hintOverflow(): void {
    this.hintOverflows.inc();
  }

  expiredKeys(count: number): void {
    this.expired.inc(count);
  }
}
