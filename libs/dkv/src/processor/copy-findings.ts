/** What differs between copies of a key that should be the same, in words for an operator. */
import { type NamespaceMode } from '../model/consistency.js';
import { type CopyOfKey } from '../model/cluster-report.js';

/**
 * Strong copies are compared where they were applied equally far in the same generation: others differ because one lags. Of
 * eventual copies each may be asked for alone, so any difference is told; repair ends it. Copies that were not told are left out.
 */
export function findingsOf(mode: NamespaceMode, copies: readonly CopyOfKey[]): readonly string[] {
  const alike = new Map<string, CopyOfKey[]>();
  for (const copy of copies) {
    if (copy.error === undefined) {
      const place = mode === 'strong' && copy.group ? placeOf(copy.group) : '';
      const known = alike.get(place) ?? [];
      alike.set(place, known);
      known.push(copy);
    }
  }
  return [...alike].flatMap(([place, group]) =>
    new Set(group.map(contentOf)).size > 1
      ? [
          `The copies differ${place}: ${group.map((copy) => `${copy.nodeId} has ${contentOf(copy)}`).join(', ')}.`,
        ]
      : [],
  );
}

function placeOf({ generation, applied }: NonNullable<CopyOfKey['group']>): string {
  return `, applied up to ${applied} of generation ${generation}`;
}

function contentOf({ record }: CopyOfKey): string {
  if (!record) {
    return 'no record';
  }
  const { version, digest, isTombstone } = record;
  return `${isTombstone ? 'a tombstone' : 'a value'} of version ${version} with digest ${digest}`;
}
