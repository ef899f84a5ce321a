/** The documents are true: error codes and options stand in their tables, and what a table says is what the code has. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DKV_ERROR_STATUS } from '../libs/dkv/src/dkv.errors.js';
import { DkvNamespaceOptions } from '../libs/dkv/src/dkv.namespace-options.js';
import { DkvModuleOptions, resolveOptions } from '../libs/dkv/src/dkv.options.js';
import { METRIC_SECTIONS } from '../libs/dkv/src/metrics/metric-catalog.js';
import { metricsPage } from '../scripts/metrics-page.mjs';
import { getMetadataStorage } from 'class-validator';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('docs/errors.md', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `(DKV_[A-Z_]+)`\s*\| (\d+)\s*\|/gm)];

  it('has a row with the right HTTP status for every code, and no other', () => {
    expect(Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))).toEqual(
      DKV_ERROR_STATUS,
    );
  });

  it('has each code once', () => {
    expect(new Set(rows.map(([, code]) => code)).size).toBe(rows.length);
  });
});

describe('docs/options.md', () => {
  const rowsOf = (heading: string) => {
    const section = read('docs/options.md').split(`\n${heading}\n`)[1]!.split('\n## ')[0]!;
    return [...section.matchAll(/^\| `(\w+)`\s*\| (.*?)\s*\|/gm)].map(([, name, told]) => ({ name, told }));
  };

  it.each<[string, new () => object]>([
    ['## Of the module', DkvModuleOptions],
    ['## Of a namespace', DkvNamespaceOptions],
  ])('names every option in the table of its section, and no other: %s', (heading, Options) => {
    const metadatas = getMetadataStorage().getTargetValidationMetadatas(Options, '', false, false);
    const options = [...new Set(metadatas.map(({ propertyName }) => propertyName))];
    expect(
      rowsOf(heading)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(options.sort());
  });

  it('tells the defaults that the module has', () => {
    const defaults = resolveOptions() as unknown as Record<string, unknown>;
    const units: Record<string, number> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, MiB: 1024 * 1024 };
    const told = rowsOf('## Of the module').flatMap(({ name, told: text }) => {
      const number = /^(\d+)(?: (ms|s|min|h|MiB))?$/.exec(text!);
      return number ? [[name!, Number(number[1]) * (number[2] ? units[number[2]]! : 1)] as const] : [];
    });
    expect(told.length).toBeGreaterThan(18);
    expect(Object.fromEntries(told)).toEqual(
      Object.fromEntries(told.map(([name]) => [name, defaults[name]])),
    );
  });
});

describe('docs/troubleshooting.md', () => {
  const sources = readdirSync(join(ROOT, 'libs/dkv/src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => read(`libs/dkv/src/${name}`).replace(/['`] \+\s+['`]/g, ''))
    .join('\n');

  it('quotes what the library says, word by word', () => {
    const quoted = [...read('docs/troubleshooting.md').matchAll(/"([^"\n]+)"/g)].map(([, text]) => text!);
    const pieces = quoted.flatMap((text) => text.split('…')).map((piece) => piece.trim());
    expect(pieces.filter((piece) => piece.length > 3 && !sources.includes(piece))).toEqual([]);
    expect(quoted.length).toBeGreaterThan(15);
  });
});

describe('docs/metrics.md', () => {
  it('is what the code makes of its metrics: npm run build && npm run docs:metrics', async () => {
    expect(read('docs/metrics.md')).toBe(await metricsPage(METRIC_SECTIONS));
  });
});

describe('docs/rules.md', () => {
  const numbers = [...read('docs/rules.md').matchAll(/^\*\*Rule (\d+)\.\*\*/gm)].map(([, number]) =>
    Number(number),
  );
  const sources = ['libs/dkv/src', 'libs/dkv/testing', 'test', 'docs'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|md)$/.test(name))
      .map((name) => `${folder}/${name}`),
  );

  it('numbers the rules from 0 on', () => {
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => at));
  });

  it('has every rule that a comment or a document names', () => {
    const unknown = sources.flatMap((path) =>
      [...read(path).matchAll(/\brules? (\d+)(?:(?:, | and )(\d+))*/gi)]
        .flatMap(([text]) => text.match(/\d+/g)!.map(Number))
        .filter((number) => !numbers.includes(number))
        .map((number) => `${path}: rule ${number}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe('the documents', () => {
  const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
    .concat(readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`))
    .concat(readdirSync(join(ROOT, 'docs/adr')).map((name) => `docs/adr/${name}`))
    .filter((path) => path.endsWith('.md'));

  it.each(documents)('lead only to files that are there: %s', (path) => {
    const targets = [...read(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target]) => target!);
    expect(targets.filter((target) => !existsSync(join(ROOT, dirname(path), target)))).toEqual([]);
  });

  it('have a README that is read to its end: 150 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(151);
  });

  it('give every decision one number', () => {
    const numbers = readdirSync(join(ROOT, 'docs/adr')).map((name) => name.slice(0, 4));
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});
