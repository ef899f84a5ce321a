/** What is measured while it happens: the core's telemetry as Prometheus counters and histograms. */
import { Counter, type Registry } from 'prom-client';
import { type Operation, type Telemetry } from '../ports/telemetry.js';
import { type BucketSeries, RecordedHistogram, RecordedValues, type ValueSeries } from './recorded-metric.js';

/** From a local read to a write that waits for a slow disk, in seconds. */
const BUCKETS = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** Of one operation on one store; how many there can be is known from the options. */
interface OperationSeries {
  readonly duration: BucketSeries;
  readonly byResult: Map<string, ValueSeries>;
}

/**
 * What happens with every operation or message is recorded into series kept by their labels, which takes tens of
 * nanoseconds; prom-client's own metrics, over ten times as much for two or three labels, count what is rare.
 */
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

  private readonly byStore = new Map<string, Map<Operation, OperationSeries>>();
  private readonly byPeer = new Map<string, Map<string, BucketSeries>>();
  private readonly skewByPeer = new Map<string, ValueSeries>();

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: string, help: string, labelNames: string[] = []) =>
      new Counter({ name: `dkv_${name}_total`, help, labelNames, registers });
    this.operations = new RecordedValues(
      registry,
      'counter',
      'dkv_operations_total',
      'Operations of callers on this node',
      ['store', 'op', 'result'],
    );
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
    this.operationDuration = new RecordedHistogram(
      registry,
      'dkv_operation_duration_seconds',
      'Time of operations of callers on this node',
      ['store', 'op'],
      BUCKETS,
    );
    this.peerDuration = new RecordedHistogram(
      registry,
      'dkv_peer_rpc_duration_seconds',
      'Time of requests to peers',
      ['peer', 'method'],
      BUCKETS,
    );
    this.skew = new RecordedValues(
      registry,
      'gauge',
      'dkv_clock_skew_seconds',
      'How far the clock of a peer seemed ahead, message delay included',
      ['peer'],
    );
  }

  operation(store: string, op: Operation, result: string, seconds: number): void {
    const series = this.byStore.get(store)?.get(op) ?? this.seriesOfOperation(store, op);
    (series.byResult.get(result) ?? this.seriesOfResult(series, store, op, result)).add(1);
    series.duration.observe(seconds);
  }

  peerCall(peer: string, method: string, seconds: number): void {
    (this.byPeer.get(peer)?.get(method) ?? this.seriesOfPeer(peer, method)).observe(seconds);
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
    const known = this.skewByPeer.get(peer);
    const series = known ?? this.skew.series({ peer });
    if (!known) {
      this.skewByPeer.set(peer, series);
    }
    series.set(seconds);
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

  private seriesOfOperation(store: string, op: Operation): OperationSeries {
    const series = { duration: this.operationDuration.series({ store, op }), byResult: new Map() };
    within(this.byStore, store).set(op, series);
    return series;
  }

  private seriesOfResult(of: OperationSeries, store: string, op: Operation, result: string): ValueSeries {
    const series = this.operations.series({ store, op, result });
    of.byResult.set(result, series);
    return series;
  }

  private seriesOfPeer(peer: string, method: string): BucketSeries {
    const series = this.peerDuration.series({ peer, method });
    within(this.byPeer, peer).set(method, series);
    return series;
  }
}

function within<K, V>(maps: Map<string, Map<K, V>>, name: string): Map<K, V> {
  const map = maps.get(name) ?? new Map<K, V>();
  maps.set(name, map);
  return map;
}
