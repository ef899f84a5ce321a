/** What stands for the groups of a node in tests that have none. */
import { DkvError } from '../src/dkv.errors.js';
import { type StrongGroups } from '../src/ports/strong-groups.js';

export const NO_STRONG_GROUPS: StrongGroups = {
  clusterId: '',
  statusOf: () => undefined,
  leaderOf: () => '',
  takesWrites: () => false,
  list: () => [],
  look: () => Promise.reject(new DkvError('DKV_NOT_READY', 'This test has no strong namespaces.')),
  transfer: () => 'elsewhere',
};
