/** The documents are true: every error code stands in the table and the other way round. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DKV_ERROR_STATUS } from '../libs/dkv/src/dkv.errors.js';
import { DkvNamespaceOptions } from '../libs/dkv/src/dkv.namespace-options.js';
import { DkvModuleOptions } from '../libs/dkv/src/dkv.options.js';
import { getMetadataStorage } from 'class-validator';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

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

describe('README.md', () => {
  const optionsOf = (heading: string) => {
    const table = read('README.md').split(heading)[1]!.split('\n#')[0]!;
    return [...table.matchAll(/^\| `(\w+)`\s*\|/gm)].map(([, name]) => name).sort();
  };

  it.each<[string, new () => object]>([
    ['### Options', DkvModuleOptions],
    ['### Namespaces', DkvNamespaceOptions],
  ])('names every option in the table of its section, and no other: %s', (heading, Options) => {
    const metadatas = getMetadataStorage().getTargetValidationMetadatas(Options, '', false, false);
    expect(optionsOf(heading)).toEqual(
      [...new Set(metadatas.map(({ propertyName }) => propertyName))].sort(),
    );
  });
});
