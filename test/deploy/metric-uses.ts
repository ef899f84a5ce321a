/** Which metrics an expression of Prometheus asks for, and by which labels: what is not in the catalog is told. */
import { METRICS, type MetricEntry } from '../../libs/dkv/src/metrics/metric-catalog.js';

/** Set by Prometheus where it scrapes; `namespace` is that of the pod, so the metric's own is `exported_namespace`. */
const TARGET_LABELS = ['namespace', 'service', 'pod'];
const PARTS = /_(bucket|sum|count)$/;

/** What is wrong with it, in words. */
export function faultsOf(expression: string): string[] {
  const names = [...expression.matchAll(/\bdkv_\w+/g)].map(([name]) => name);
  const faults = names.filter((name) => !entryOf(name)).map((name) => `${name} is no metric`);
  const labels = names.flatMap((name) => entryOf(name)?.labels ?? []);
  const known = [
    ...labels.filter((name) => name !== 'namespace'),
    'exported_namespace',
    'le',
    ...TARGET_LABELS,
  ];
  return [
    ...faults,
    ...(names.length > 0 ? [] : ['asks for nothing']),
    ...labelsIn(expression)
      .filter((label) => !known.includes(label))
      .map((label) => `${label} is no label of ${names.join()}`),
    // Else it would mix the nodes of all releases.
    ...selectorsIn(expression)
      .filter((selector) => !/namespace="[^"]+",service="[^"]+"/.test(selector))
      .map((selector) => `${selector} takes other releases too`),
  ];
}

function entryOf(name: string): MetricEntry | undefined {
  const metrics: Readonly<Record<string, MetricEntry>> = METRICS;
  const whole = metrics[name.replace(PARTS, '')];
  return PARTS.test(name) ? (whole?.type === 'histogram' ? whole : undefined) : metrics[name];
}

const selectorsIn = (expression: string) =>
  [...expression.matchAll(/\bdkv_\w+(\{[^}]*\})?/g)].map(([, selector]) => selector ?? '{}');

function labelsIn(expression: string): string[] {
  const matchers = selectorsIn(expression).flatMap((selector) =>
    [...selector.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label]) => label!),
  );
  const grouped = [...expression.matchAll(/\b(?:by|without) \(([^)]*)\)/g)].flatMap(([, labels]) =>
    labels!.split(/,\s*/),
  );
  return [...matchers, ...grouped];
}
