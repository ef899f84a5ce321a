/** The documents are true: every error code stands in the table and the other way round. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DKV_ERROR_STATUS } from '../libs/dkv/src/dkv.errors.js';
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
  it('names every option of the module in its table, and no other', () => {
    const table = read('README.md').split('### Options')[1]!.split('\n#')[0]!;
    const documented = [...table.matchAll(/^\| `(\w+)`\s*\|/gm)].map(([, name]) => name).sort();
    const metadatas = getMetadataStorage().getTargetValidationMetadatas(DkvModuleOptions, '', false, false);
    expect(documented).toEqual([...new Set(metadatas.map(({ propertyName }) => propertyName))].sort());
  });
});
