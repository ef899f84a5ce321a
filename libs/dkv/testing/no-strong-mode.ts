/** What stands for strong namespaces on a node of a test that has none. */
import { configurationOf } from '../src/cluster/cluster-configuration.js';
import { DkvError } from '../src/dkv.errors.js';
import { Hashring } from '../src/hashring/hashring.js';
import { md5HashFunc } from '../src/hashring/md5-hash-func.js';
import { type Membership } from '../src/ports/membership.js';
import { NO_STRONG_FIGURES, type StrongMode } from '../src/ports/strong-mode.js';
import { NO_PROGRESS } from './fake-membership.js';
import { NO_STRONG_GROUPS } from './no-strong-groups.js';
import { testNodes } from './test-nodes.js';

const NODES = testNodes('a');
const NO_MEMBERSHIP: Membership = {
  configuration: configurationOf(
    Hashring.of(NODES, { partitions: 1, replicas: 0, hashFunc: md5HashFunc }),
    NODES,
  ),
  candidates: [],
  refusal: undefined,
  progress: NO_PROGRESS,
  change: () => refused(),
};

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
  membership: NO_MEMBERSHIP,
};

function refused(): Promise<never> {
  return Promise.reject(new DkvError('DKV_NOT_READY', 'This test has no strong namespaces.'));
}
