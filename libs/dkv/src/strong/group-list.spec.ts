import { expect, it } from 'vitest';
import { CONFIGURATION_GROUP } from '../model/membership.js';
import { GroupList } from './group-list.js';
import { type StrongGroup } from './strong-group.js';

const groupOf = (number: number) => ({ number }) as StrongGroup;

it('finds groups by number, that of the configuration too, in the order in which they came', () => {
  const groups = new GroupList();
  const [last, first] = [groupOf(CONFIGURATION_GROUP), groupOf(0)];
  groups.add(last);
  groups.add(first);
  expect([groups.get(CONFIGURATION_GROUP), groups.get(0), groups.get(1)]).toEqual([last, first, undefined]);
  expect(groups.values()).toEqual([last, first]);
});

it('hides a group that is withdrawn, and keeps its number until it is removed', () => {
  const groups = new GroupList();
  const [one, other] = [groupOf(CONFIGURATION_GROUP), groupOf(1)];
  groups.add(one);
  groups.add(other);
  const gone: number[] = [];
  for (const { number } of groups.values()) {
    gone.push(number);
    expect(groups.withdraw(CONFIGURATION_GROUP)).toBe(one);
  }
  expect(gone).toEqual([CONFIGURATION_GROUP, 1]);
  expect([groups.get(CONFIGURATION_GROUP), groups.find(CONFIGURATION_GROUP)]).toEqual([undefined, one]);
  expect([groups.values(), groups.size]).toEqual([[other], 1]);
  expect(() => groups.add(groupOf(CONFIGURATION_GROUP))).toThrow(TypeError);
  groups.remove(CONFIGURATION_GROUP);
  expect(groups.find(CONFIGURATION_GROUP)).toBeUndefined();
  groups.add(one);
  expect(groups.get(CONFIGURATION_GROUP)).toBe(one);
  expect(groups.withdraw(7)).toBeUndefined();
});
