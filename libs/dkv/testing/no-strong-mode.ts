/** What stands for strong namespaces on a node of a test that has none. */
import { DkvError } from '../src/dkv.errors.js';
import { NO_STRONG_FIGURES, type StrongMode } from '../src/ports/strong-mode.js';
import { NO_STRONG_GROUPS } from './no-strong-groups.js';

export const NO_STRONG_MODE: StrongMode = {
  start() {},
  stop: () => Promise.resolve(),
  peek: () => undefined,
  read: () => refused(),
  write: () => refused(),
  receive() {},
  disconnected() {},
  unreadyReason: undefined,
  degradedReason: undefined,
  quorums: { groupsWithoutQuorum: 0, groupsRefused: 0, votersMissing: new Map(), lacking: new Set() },
  groupsLed: 0,
  figures: NO_STRONG_FIGURES,
  groups: NO_STRONG_GROUPS,
};

function refused(): Promise<never> {
  return Promise.reject(new DkvError('DKV_NOT_READY', 'This test has no strong namespaces.'));
}
