import { expect, it } from 'vitest';
import { ByGroup } from './by-group.js';
import { CONFIGURATION_GROUP } from './membership.js';

it('keeps values of partitions and of the group of the configuration, and forgets what is undefined', () => {
  const values = new ByGroup<string>();
  values.set(CONFIGURATION_GROUP, 'configuration');
  values.set(1, 'one');
  values.set(0, 'zero');
  expect([0, 1, 2, CONFIGURATION_GROUP].map((group) => values.get(group))).toEqual([
    'zero',
    'one',
    undefined,
    'configuration',
  ]);
  values.set(1, undefined);
  expect(values.values()).toEqual(['zero', 'configuration']);
  values.set(CONFIGURATION_GROUP, undefined);
  expect(values.get(CONFIGURATION_GROUP)).toBeUndefined();
  expect(values.values()).toEqual(['zero']);
});

it('has no array with a gap before the group of the configuration', () => {
  const values = new ByGroup<string>();
  values.set(0, 'zero');
  values.set(CONFIGURATION_GROUP, 'configuration');
  const { ofPartitions } = values as unknown as { readonly ofPartitions: readonly unknown[] };
  expect(ofPartitions).toHaveLength(1);
});
