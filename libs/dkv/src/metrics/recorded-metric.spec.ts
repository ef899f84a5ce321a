/** Metrics recorded the cheap way against prom-client's own, fed the same: a registry must not tell them apart. */
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { type Operation } from '../ports/telemetry.js';
import { METRICS } from './metric-catalog.js';
import { PrometheusTelemetry } from './prometheus-telemetry.js';
import { RecordedHistogram } from './recorded-metric.js';

const BUCKETS = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];
const RECORDED = [
  'dkv_operations_total',
  'dkv_operation_duration_seconds',
  'dkv_peer_rpc_duration_seconds',
  'dkv_clock_skew_seconds',
];
const OPERATIONS: readonly Operation[] = ['get', 'addOrUpdate', 'remove', 'touch'];
/** Some that have to be escaped, one that reads like an index of an array, one like a property of every object. */
const NAMESPACES = ['default', 'with "quotes"', 'back\\slash', 'two\nlines', '7', '__proto__'];
const RESULTS = ['ok', 'DKV_TIMEOUT', 'error'];
const PEERS = ['node-a', 'node-b', '10'];
const METHODS = ['read', 'write', 'constructor'];

/** What is recorded that way, as prom-client's own metrics on a registry of their own. */
class Reference {
  readonly registry = new Registry<typeof Registry.PROMETHEUS_CONTENT_TYPE>();
  private readonly operations = new Counter({
    name: 'dkv_operations_total',
    help: METRICS.dkv_operations_total.help,
    labelNames: ['namespace', 'op', 'result'],
    registers: [this.registry],
  });
  private readonly operationDuration = new Histogram({
    name: 'dkv_operation_duration_seconds',
    help: METRICS.dkv_operation_duration_seconds.help,
    labelNames: ['namespace', 'op'],
    buckets: BUCKETS,
    registers: [this.registry],
  });
  private readonly peerDuration = new Histogram({
    name: 'dkv_peer_rpc_duration_seconds',
    help: METRICS.dkv_peer_rpc_duration_seconds.help,
    labelNames: ['peer', 'method'],
    buckets: BUCKETS,
    registers: [this.registry],
  });
  private readonly skew = new Gauge({
    name: 'dkv_clock_skew_seconds',
    help: METRICS.dkv_clock_skew_seconds.help,
    labelNames: ['peer'],
    registers: [this.registry],
  });

  operation(namespace: string, op: Operation, result: string, seconds: number, _valueBytes?: number): void {
    this.operations.inc({ namespace, op, result });
    this.operationDuration.observe({ namespace, op }, seconds);
  }

  peerCall(peer: string, method: string, seconds: number): void {
    this.peerDuration.observe({ peer, method }, seconds);
  }

  clockSkew(peer: string, seconds: number): void {
    this.skew.set({ peer }, seconds);
  }
}

type Recorder = Pick<Reference, 'operation' | 'peerCall' | 'clockSkew'>;

/** A telemetry on a registry that has nothing else. */
function recorded() {
  const registry = new Registry<typeof Registry.PROMETHEUS_CONTENT_TYPE>();
  const telemetry = new PrometheusTelemetry(registry);
  for (const { name } of registry.getMetricsAsArray()) {
    if (!RECORDED.includes(name)) {
      registry.removeSingleMetric(name);
    }
  }
  return { registry, telemetry };
}

function recordAtRandom(random: SimRandom, recorders: readonly Recorder[]): void {
  const seconds = random.chance(0.2) ? random.pick([...BUCKETS, 0, 11]) : 10 ** random.between(-6, 1.5);
  const [namespace, peer] = [random.pick(NAMESPACES), random.pick(PEERS)];
  const [op, result, method] = [random.pick(OPERATIONS), random.pick(RESULTS), random.pick(METHODS)];
  const kind = random.int(3);
  for (const recorder of recorders) {
    if (kind === 0) {
      recorder.operation(namespace, op, result, seconds, 0);
    } else if (kind === 1) {
      recorder.peerCall(peer, method, seconds);
    } else {
      recorder.clockSkew(peer, seconds - 1);
    }
  }
}

describe('for random observations, scraped and reset in between (seeded)', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'tells the same as prom-client: %d',
    async (seed) => {
      const random = new SimRandom(seed);
      const reference = new Reference();
      const { registry, telemetry } = recorded();
      expect(await registry.metrics()).toBe(await reference.registry.metrics());
      for (let step = 0; step < 400; step++) {
        recordAtRandom(random, [telemetry, reference]);
        if (random.chance(0.02)) {
          const name = random.pick(RECORDED);
          registry.getSingleMetric(name)!.reset();
          reference.registry.getSingleMetric(name)!.reset();
        }
        if (random.chance(0.005)) {
          registry.resetMetrics();
          reference.registry.resetMetrics();
        }
        if (random.chance(0.02)) {
          expect(await registry.metrics()).toBe(await reference.registry.metrics());
        }
      }
      expect(await registry.metrics()).toBe(await reference.registry.metrics());
    },
  );
});

describe('of a registry, answers as prom-client does', () => {
  const both = () => {
    const reference = new Reference();
    const { registry, telemetry } = recorded();
    const random = new SimRandom('registry');
    for (let step = 0; step < 100; step++) {
      recordAtRandom(random, [telemetry, reference]);
    }
    return { registry, reference: reference.registry, telemetry };
  };
  /** Without the places where prom-client keeps exemplars, which are off. */
  const withoutExemplars = (answer: object): unknown =>
    JSON.parse(JSON.stringify(answer, (name, value: unknown) => (name === 'exemplar' ? undefined : value)));

  it('metrics as JSON', async () => {
    const { registry, reference } = both();
    expect(withoutExemplars(await registry.getMetricsAsJSON())).toEqual(
      withoutExemplars(await reference.getMetricsAsJSON()),
    );
  });

  it.each(RECORDED)('a single metric: %s', async (name) => {
    const { registry, reference } = both();
    expect(await registry.getSingleMetricAsString(name)).toBe(await reference.getSingleMetricAsString(name));
    expect(withoutExemplars(await registry.getSingleMetric(name)!.get())).toEqual(
      withoutExemplars(await reference.getSingleMetric(name)!.get()),
    );
  });

  it('labels of its own', async () => {
    const { registry, reference } = both();
    for (const each of [registry, reference]) {
      each.setDefaultLabels({ app: 'shop', op: 'overridden' });
    }
    const before = await registry.metrics();
    expect(before).toBe(await reference.metrics());
    await registry.getMetricsAsJSON();
    expect(await registry.metrics()).toBe(before);
  });

  it('a merge with others', async () => {
    const { registry, reference, telemetry } = both();
    const other = new Registry();
    new Counter({ name: 'orders_total', help: 'Orders taken', registers: [other] }).inc(3);
    const merged = Registry.merge([registry, other]);
    expect(await merged.metrics()).toBe(await Registry.merge([reference, other]).metrics());
    telemetry.operation('default', 'get', 'a later one', 1, 0);
    expect(await merged.metrics()).toContain('result="a later one"');
  });

  it('sums over the processes of a cluster', async () => {
    const { registry, reference } = both();
    const summed = async (of: typeof registry) =>
      AggregatorRegistry.aggregate([await of.getMetricsAsJSON(), await of.getMetricsAsJSON()]).metrics();
    expect(await summed(registry)).toBe(await summed(reference));
  });

  it('OpenMetrics', async () => {
    const { registry, reference } = both();
    for (const each of [registry, reference] as unknown as Registry<
      typeof Registry.OPENMETRICS_CONTENT_TYPE
    >[]) {
      each.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    }
    expect(await registry.metrics()).toBe(await reference.metrics());
    expect(await registry.metrics()).toContain('\ndkv_operations_total{');
  });

  it('a name that is taken, and one that is free again', () => {
    const { registry } = both();
    expect(() => new PrometheusTelemetry(registry)).toThrow(/already been registered/);
    registry.clear();
    new PrometheusTelemetry(registry);
  });
});

describe('a scrape', () => {
  it('is of one moment, whatever is recorded while it is written', async () => {
    const { registry, telemetry } = recorded();
    telemetry.operation('default', 'get', 'ok', 0.001, 0);
    const expected = await registry.metrics();
    const scrape = registry.metrics();
    telemetry.operation('default', 'get', 'ok', 0.001, 0);
    telemetry.operation('other', 'get', 'ok', 0.001, 0);
    registry.resetMetrics();
    expect(await scrape).toBe(expected);
  });

  it('loses nothing of what is recorded between its turns', async () => {
    const { registry, telemetry } = recorded();
    const scrapes: Promise<string>[] = [];
    for (let step = 0; step < 1_000; step++) {
      telemetry.operation('default', 'get', 'ok', 0.001, 0);
      if (step % 10 === 0) {
        scrapes.push(registry.metrics());
        await Promise.resolve();
      }
    }
    const counts = (await Promise.all(scrapes)).map((text) => [
      Number(/dkv_operations_total\{.*\} (\d+)/.exec(text)![1]),
      Number(/duration_seconds_count\{.*\} (\d+)/.exec(text)![1]),
    ]);
    expect(counts).toEqual(scrapes.map((_, index) => [index * 10 + 1, index * 10 + 1]));
    expect(await registry.metrics()).toContain('result="ok"} 1000\n');
  });
});

it.each([Number.NaN, Infinity, -Infinity])('refuses to observe %d, as prom-client does', async (value) => {
  const registry = new Registry();
  const histogram = new RecordedHistogram(registry, 'test_seconds', 'For this test', ['peer'], [1]);
  const series = histogram.series({ peer: 'a' });
  expect(() => series.observe(value)).toThrow(TypeError);
  expect(await registry.metrics()).not.toContain('peer');
  series.observe(-1);
  expect(await registry.metrics()).toContain('test_seconds_bucket{le="1",peer="a"} 1\n');
});
