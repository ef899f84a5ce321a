/** What an application asks of its cluster's members, over members in memory: for tests of who asks. */
import { configurationOf } from '../src/cluster/cluster-configuration.js';
import { withChanges } from '../src/cluster/configuration-changes.js';
import { ClusterView } from '../src/cluster/cluster-view.js';
import { Namespaces } from '../src/cluster/namespaces.js';
import { DkvAdmin, type DkvAdminParts } from '../src/dkv.admin.js';
import { Hashring } from '../src/hashring/hashring.js';
import { md5HashFunc } from '../src/hashring/md5-hash-func.js';
import { type ClusterNode } from '../src/model/node.js';
import { MembershipAdministration } from '../src/processor/membership-administration.js';
import { CapturedLog } from './captured-log.js';
import { FakeMembership } from './fake-membership.js';
import { FakeProcessor } from './fake-processor.js';
import { ManualClock } from './manual-clock.js';
import { NO_STRONG_GROUPS } from './no-strong-groups.js';
import { testNodes } from './test-nodes.js';

export interface AdministeredMembers {
  readonly admin: DkvAdmin;
  readonly membership: FakeMembership;
  readonly view: ClusterView;
  readonly log: CapturedLog;
}

/** At the first of the nodes; 8 partitions with two copies each. `leaving`: one that leaves as the test begins. */
export function administeredMembers(
  nodeIds: readonly string[],
  candidates: readonly ClusterNode[],
  leaving?: string,
): AdministeredMembers {
  const nodes = testNodes(...nodeIds);
  const ring = Hashring.of(nodes, { partitions: 8, replicas: 1, hashFunc: md5HashFunc });
  const made = { ...configurationOf(ring, nodes), epoch: 1 };
  const configuration =
    leaving === undefined ? made : withChanges(made, [{ kind: 'leave', nodeId: leaving }])!;
  const view = new ClusterView(nodeIds[0]!, configuration, md5HashFunc);
  const log = new CapturedLog();
  const membership = new FakeMembership(configuration);
  membership.candidates = [...candidates];
  const processor = Object.assign(new FakeProcessor(), {
    membership: new MembershipAdministration({ view, logger: log }, membership),
  });
  const admin = new DkvAdmin({
    processor,
    view,
    membership,
    transitions: { conditionOf: () => undefined },
    namespaces: new Namespaces(),
    groups: NO_STRONG_GROUPS,
    clock: new ManualClock(),
    door: 'API',
  } as unknown as DkvAdminParts);
  return { admin, membership, view, log };
}
