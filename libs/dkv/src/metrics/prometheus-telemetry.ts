/** What is measured while it happens: what the parts of a node report, as Prometheus counters and histograms. */
import { Counter, type Registry } from 'prom-client';
import { type PeerRequestKind } from '../model/peer-protocol.js';
import { type Operation, type Telemetry } from '../ports/telemetry.js';
import { type MetricName, METRICS } from './metric-catalog.js';
import { type BucketSeries, RecordedHistogram, RecordedValues, type ValueSeries } from './recorded-metric.js';

/** From a local read to a write that waits for a slow disk, in seconds. */
const BUCKETS = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

/** Of one operation on one namespace; how many there can be is known from the options. */
interface OperationSeries {
  readonly duration: BucketSeries;
  readonly valueBytes: ValueSeries;
  readonly byResult: Map<string, ValueSeries>;
}

/** Of one route of the peer port. */
interface RouteSeries {
  readonly duration: BucketSeries;
  readonly byStatus: Map<number, ValueSeries>;
}

/**
 * What happens with every operation or message is recorded into series kept by their labels, which takes tens of
 * nanoseconds; prom-client's own metrics, over ten times as much for two or three labels, count what is rare.
 */
export class PrometheusTelemetry implements Telemetry {
  private readonly operations;
  private readonly operationDuration;
  private readonly valueBytes;
  private readonly peerDuration;
  private readonly quorumFailures;
  private readonly readRepairs;
  private readonly conflicts;
  private readonly repairBytes;
  private readonly skew;
  private readonly hintOverflows;
  private readonly expired;
  private readonly routes;
  private readonly routeDuration;
  private readonly streamRequests;
  private readonly streams: ValueSeries;
  private readonly frames: ValueSeries;
  private readonly frameBytes: ValueSeries;

  private readonly byNamespace = new Map<string, Map<Operation, OperationSeries>>();
  private readonly byPeer = new Map<string, Map<string, BucketSeries>>();
  private readonly skewByPeer = new Map<string, ValueSeries>();
  private readonly byRoute = new Map<string, RouteSeries>();
  private readonly byKind = new Map<string, Map<string, ValueSeries>>();

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = (name: MetricName) => {
      const { help, labels } = METRICS[name];
      return new Counter({ name, help, labelNames: [...labels], registers });
    };
    const values = <L extends string>(name: MetricName, ...labels: L[]) =>
      new RecordedValues(
        registry,
        METRICS[name].type as 'counter' | 'gauge',
        name,
        METRICS[name].help,
        labels,
      );
    const histogram = <L extends string>(name: MetricName, ...labels: L[]) =>
      new RecordedHistogram(registry, name, METRICS[name].help, labels, BUCKETS);
    this.operations = values('dkv_operations_total', 'namespace', 'op', 'result');
    this.operationDuration = histogram('dkv_operation_duration_seconds', 'namespace', 'op');
    this.valueBytes = values('dkv_value_bytes_total', 'namespace', 'op');
    this.quorumFailures = counter('dkv_quorum_failures_total');
    this.readRepairs = counter('dkv_read_repairs_total');
    this.conflicts = counter('dkv_conflicts_total');
    this.repairBytes = counter('dkv_anti_entropy_bytes_total');
    this.hintOverflows = counter('dkv_hint_overflows_total');
    this.expired = counter('dkv_expired_keys_total');
    this.peerDuration = histogram('dkv_peer_rpc_duration_seconds', 'peer', 'method');
    this.skew = values('dkv_clock_skew_seconds', 'peer');
    this.routes = values('dkv_peer_port_requests_total', 'route', 'status');
    this.routeDuration = histogram('dkv_peer_port_request_duration_seconds', 'route');
    this.streamRequests = values('dkv_peer_port_stream_requests_total', 'method', 'result');
    this.streams = values('dkv_peer_port_streams').series({});
    this.frames = values('dkv_peer_port_frames_total').series({});
    this.frameBytes = values('dkv_peer_port_frame_bytes_total').series({});
  }

  operation(namespace: string, op: Operation, result: string, seconds: number, valueBytes: number): void {
    const series = this.byNamespace.get(namespace)?.get(op) ?? this.seriesOfOperation(namespace, op);
    (series.byResult.get(result) ?? this.seriesOfResult(series, namespace, op, result)).add(1);
    series.duration.observe(seconds);
    if (valueBytes > 0) {
      series.valueBytes.add(valueBytes);
    }
  }

  peerCall(peer: string, method: string, seconds: number): void {
    (this.byPeer.get(peer)?.get(method) ?? this.seriesOfPeer(peer, method)).observe(seconds);
  }

  peersChanged(nodeIds: readonly string[]): void {
    const isThere = new Set(nodeIds);
    for (const [peer, byMethod] of this.byPeer) {
      if (!isThere.has(peer)) {
        this.byPeer.delete(peer);
        byMethod.forEach((series) => series.drop());
      }
    }
    for (const [peer, series] of this.skewByPeer) {
      if (!isThere.has(peer)) {
        this.skewByPeer.delete(peer);
        series.drop();
      }
    }
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

  hintOverflow(): void {
    this.hintOverflows.inc();
  }

  expiredKeys(count: number): void {
    this.expired.inc(count);
  }

  httpRequest(route: string, status: number, seconds: number): void {
    let series = this.byRoute.get(route);
    if (!series) {
      series = { duration: this.routeDuration.series({ route }), byStatus: new Map() };
      this.byRoute.set(route, series);
    }
    let answered = series.byStatus.get(status);
    if (!answered) {
      answered = this.routes.series({ route, status: String(status) });
      series.byStatus.set(status, answered);
    }
    answered.add(1);
    series.duration.observe(seconds);
  }

  streamsOpen(change: number): void {
    this.streams.add(change);
  }

  streamRequest(method: PeerRequestKind, result: string): void {
    const byResult = this.byKind.get(method);
    let series = byResult?.get(result);
    if (!series) {
      series = this.streamRequests.series({ method, result });
      within(this.byKind, method).set(result, series);
    }
    series.add(1);
  }

  frame(bytes: number): void {
    this.frames.add(1);
    this.frameBytes.add(bytes);
  }

  private seriesOfOperation(namespace: string, op: Operation): OperationSeries {
    const labels = { namespace, op };
    const series = {
      duration: this.operationDuration.series(labels),
      valueBytes: this.valueBytes.series(labels),
      byResult: new Map(),
    };
    within(this.byNamespace, namespace).set(op, series);
    return series;
  }

  private seriesOfResult(of: OperationSeries, namespace: string, op: Operation, result: string): ValueSeries {
    const series = this.operations.series({ namespace, op, result });
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
