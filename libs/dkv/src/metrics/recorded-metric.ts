/** Metrics for a registry of prom-client of which recording costs an addition: totals are made up when it is scraped. */
import { type Metric, type Registry } from 'prom-client';

type Labels = Readonly<Record<string, string>>;

/** One line of a scrape; labels that lines have in common stand apart, where prom-client keeps their text. */
interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
  readonly sharedLabels?: Labels;
}

/** What was recorded under one set of labels: looked up once, then recorded into without naming them again. */
abstract class Series {
  /** Whether it shows in a scrape: once something was recorded, as with the metrics of prom-client. */
  protected shown = false;

  constructor(
    protected readonly labels: Labels,
    private readonly shownSeries: Series[],
  ) {}

  abstract samples(name: string): Sample[];

  /** Forgets what was recorded; whoever holds the series can go on recording into it. */
  clear(): void {
    this.shown = false;
  }

  /** Shows in no scrape from now on, until something is recorded again. */
  drop(): void {
    const place = this.shownSeries.indexOf(this);
    if (place >= 0) {
      this.shownSeries.splice(place, 1);
    }
    this.clear();
  }

  protected show(): void {
    this.shown = true;
    this.shownSeries.push(this);
  }
}

/** A sum or a level. */
export class ValueSeries extends Series {
  private value = 0;

  add(amount: number): void {
    this.value += amount;
    if (!this.shown) {
      this.show();
    }
  }

  set(value: number): void {
    this.value = value;
    if (!this.shown) {
      this.show();
    }
  }

  override samples(): Sample[] {
    return [{ value: this.value, labels: { ...this.labels } }];
  }

  override clear(): void {
    super.clear();
    this.value = 0;
  }
}

/** Observations by size. */
export class BucketSeries extends Series {
  private sum = 0;
  /** Observations up to each bound and above the one before it; the last cell has those above all bounds. */
  private readonly counts: Float64Array;

  constructor(
    labels: Labels,
    shownSeries: Series[],
    private readonly bounds: Float64Array,
  ) {
    super(labels, shownSeries);
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** @throws TypeError for what is no finite number. */
  observe(value: number): void {
    if (!Number.isFinite(value)) {
      throw new TypeError(`Cannot observe ${value}: it is no finite number.`);
    }
    // From the smallest on: there are a few bounds, and what happens most often is over soonest.
    let cell = 0;
    while (cell < this.bounds.length && value > this.bounds[cell]!) {
      cell++;
    }
    this.counts[cell]!++;
    this.sum += value;
    if (!this.shown) {
      this.show();
    }
  }

  override samples(name: string): Sample[] {
    const sharedLabels = this.labels;
    let count = 0;
    const buckets = Array.from(this.counts, (observed, cell) => {
      count += observed;
      const le = this.bounds[cell] ?? '+Inf';
      return { value: count, labels: { le }, metricName: `${name}_bucket`, sharedLabels };
    });
    return [
      ...buckets,
      { value: this.sum, labels: {}, metricName: `${name}_sum`, sharedLabels },
      { value: count, labels: {}, metricName: `${name}_count`, sharedLabels },
    ];
  }

  override clear(): void {
    super.clear();
    this.sum = 0;
    this.counts.fill(0);
  }
}

/** What a registry asks of a metric: the same answers as prom-client's own, in the order of the first recordings. */
abstract class RecordedMetric<L extends string> {
  readonly aggregator = 'sum';
  protected readonly shownSeries: Series[] = [];

  constructor(
    registry: Registry,
    readonly type: 'counter' | 'gauge' | 'histogram',
    /** Set by a registry that speaks OpenMetrics. */
    public name: string,
    readonly help: string,
    readonly labelNames: readonly L[],
  ) {
    registry.registerMetric(this as unknown as Metric);
  }

  /** All of it at one moment: recording can go on while the answer is made into text. */
  async getForPromString() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: this.shownSeries.flatMap((each) => each.samples(name)) };
  }

  async get() {
    const answer = await this.getForPromString();
    const values = answer.values.map(({ sharedLabels, labels, ...sample }) => ({
      ...sample,
      labels: { ...labels, ...sharedLabels },
    }));
    return { ...answer, values };
  }

  reset(): void {
    for (const series of this.shownSeries.splice(0)) {
      series.clear();
    }
  }
}

export class RecordedValues<L extends string> extends RecordedMetric<L> {
  constructor(
    registry: Registry,
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly L[],
  ) {
    super(registry, type, name, help, labelNames);
  }

  /** To be kept by the caller: each call makes another one. */
  series(labels: Readonly<Record<L, string>>): ValueSeries {
    return new ValueSeries(labels, this.shownSeries);
  }
}

export class RecordedHistogram<L extends string> extends RecordedMetric<L> {
  private readonly bounds: Float64Array;

  constructor(
    registry: Registry,
    name: string,
    help: string,
    labelNames: readonly L[],
    /** Upper bounds, ascending. */
    buckets: readonly number[],
  ) {
    super(registry, 'histogram', name, help, labelNames);
    this.bounds = Float64Array.from(buckets);
  }

  /** To be kept by the caller: each call makes another one. */
  series(labels: Readonly<Record<L, string>>): BucketSeries {
    return new BucketSeries(labels, this.shownSeries, this.bounds);
  }
}
