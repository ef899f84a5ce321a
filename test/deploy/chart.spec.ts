/** The chart agrees with itself and with the metrics and commands of the library. What Helm makes of it is in `test/integrations`. */
import { load } from 'js-yaml';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DKV_ERROR_STATUS } from '../../libs/dkv/src/dkv.errors.js';
import { type MetricEntry, METRICS } from '../../libs/dkv/src/metrics/metric-catalog.js';
import { runShell } from '../../libs/dkv/testing/cli/captured-terminal.js';
import { chartReadme, valuesOf } from '../../scripts/chart-readme.mjs';
import { faultsOf } from './metric-uses.js';

const read = (path: string) => readFileSync(new URL(`../../deploy/helm/${path}`, import.meta.url), 'utf8');
const schema = JSON.parse(read('values.schema.json')) as object;
const library = JSON.parse(readFileSync(new URL('../../libs/dkv/package.json', import.meta.url), 'utf8')) as {
  version: string;
};

describe('the values', () => {
  it('are told of in README.md as the schema has them: npm run docs:chart', async () => {
    expect(read('README.md')).toBe(await chartReadme(schema));
  });

  it('have the defaults that the schema tells, each', () => {
    const at = (name: string) =>
      name
        .split('.')
        .reduce<unknown>(
          (value, key) => (value as Record<string, unknown>)?.[key],
          load(read('values.yaml')),
        );
    const values = valuesOf(schema);
    expect(values.length).toBeGreaterThan(50);
    expect(values.filter(({ name, given }) => JSON.stringify(at(name)) !== JSON.stringify(given))).toEqual(
      [],
    );
    expect(values.filter(({ text }) => !/[A-Z`].*\.$/.test(text))).toEqual([]);
  });

  it('are all in the schema, which takes nothing else', () => {
    const told = valuesOf(schema).map(({ name }) => name);
    const leaves = (value: unknown, name: string): string[] =>
      told.includes(name) || value === null || typeof value !== 'object'
        ? [name]
        : Object.entries(value).flatMap(([key, inner]) =>
            leaves(inner, name === '' ? key : `${name}.${key}`),
          );
    expect(leaves(load(read('values.yaml')), '').sort()).toEqual([...told].sort());
  });
});

it('is a chart of the version of the library', () => {
  expect(load(read('Chart.yaml'))).toMatchObject({ apiVersion: 'v2', appVersion: library.version });
});

const SELECTOR = 'namespace="shop",service="carts"';

describe('the alerts', () => {
  const text = read('files/rules.yaml').replaceAll('SELECTOR', SELECTOR).replaceAll('REPLICAS', '3');
  const [{ rules }] = load(text) as [
    { rules: { alert: string; expr: string; labels: object; annotations: Record<string, string> }[] },
  ];

  it.each(rules)('ask for metrics and labels that there are: $alert', ({ expr }) => {
    expect(faultsOf(expr)).toEqual([]);
  });

  it('are about metrics that the catalog says to be alerted by', () => {
    const metrics: Readonly<Record<string, MetricEntry>> = METRICS;
    const names = [...text.matchAll(/\bdkv_\w+/g)].map(([name]) => name);
    expect(names.filter((name) => metrics[name]?.alert === '')).toEqual([]);
  });

  it('say what is wrong and what follows from it, of labels that are left', () => {
    for (const { expr, annotations } of rules) {
      expect(Object.keys(annotations)).toEqual(['summary', 'description']);
      const used = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
      const [, grouped] = /^(?:sum|max|min) by \(([^)]*)\)/.exec(expr) ?? [];
      const left = grouped?.split(', ') ?? ['pod', 'peer', 'reason', 'result'];
      const isAggregated = /^\(?(?:sum|max|min|count)\b(?! by)/.test(expr);
      expect(isAggregated ? used : used.filter((label) => !left.includes(label))).toEqual([]);
    }
  });

  it('name codes of errors and commands that there are', async () => {
    const codes = [...text.matchAll(/\bDKV_[A-Z_]+\b/g)].map(([code]) => code);
    expect(codes.filter((code) => !(code in DKV_ERROR_STATUS))).toEqual([]);
    const commands = [...text.matchAll(/`dkv ([^`]+)`/g)].map(([, command]) => command!);
    expect(commands.length).toBeGreaterThan(2);
    for (const command of commands) {
      const { code, error } = await runShell(command.split(' '), {
        env: { DKV_ADMIN_KEY: 'a-key-of-operators' },
      });
      // Understood as far as to ask for an address.
      expect([code, error]).toEqual([2, expect.stringMatching(/--url/)]);
    }
  });
});

describe('the dashboard', () => {
  const text = read('files/dashboard.json').replaceAll('SELECTOR', SELECTOR.replaceAll('"', '\\"'));
  const { panels } = JSON.parse(text) as {
    panels: {
      id: number;
      title: string;
      gridPos: { x: number; y: number; w: number; h: number };
      targets: { expr: string }[];
    }[];
  };

  it.each(panels)('asks for metrics and labels that there are: $title', ({ targets }) => {
    expect(targets.flatMap(({ expr }) => faultsOf(expr))).toEqual([]);
  });

  it('lies in a grid of 24 columns without overlaps', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });
});

it.each([
  ['sum(dkv_nothing{namespace="a",service="b"})', 'dkv_nothing is no metric'],
  ['dkv_ready_bucket{namespace="a",service="b"}', 'dkv_ready_bucket is no metric'],
  ['sum by (node) (dkv_ready{namespace="a",service="b"})', 'node is no label of dkv_ready'],
  ['dkv_ready{namespace="a",service="b",op="get"}', 'op is no label of dkv_ready'],
  ['dkv_ready', '{} takes other releases too'],
  ['up == 0', 'asks for nothing'],
])('a wrong expression is seen: %s', (expression, fault) => {
  expect(faultsOf(expression)).toContain(fault);
});
