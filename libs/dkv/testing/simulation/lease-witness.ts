/** Looks between two events whether a leader holds a lease of a group that another leads already. */
import { type Leases } from '../../src/strong/leases.js';
import { type StrongGroup } from '../../src/strong/strong-group.js';
import { type FindingRule } from './checkers/finding.js';
import { groupsOf, memberOf } from './group-facts.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';

type Report = (rule: FindingRule, group: number, message: string) => void;

/** What a reader of such a leader would see is old as soon as the other has committed something. */
export class LeaseWitness {
  constructor(
    private readonly cluster: TestCluster,
    private readonly report: Report,
  ) {}

  private get nodes(): readonly TestNode[] {
    return this.cluster.nodeIds.map((nodeId) => this.cluster.node(nodeId));
  }

  look(): void {
    for (const node of this.nodes) {
      const reads = node.alive ? leasesOf(node)?.reads : undefined;
      for (const group of (reads && groupsOf(node)?.values()) ?? []) {
        if (group.raft.role === 'leader' && reads!.holds(group)) {
          this.lookForOthers(node, group);
        }
      }
    }
  }

  private lookForOthers(node: TestNode, { number, generation, raft }: StrongGroup): void {
    for (const other of this.nodes) {
      const group = other !== node && other.alive ? groupsOf(other)?.get(number) : undefined;
      if (
        group?.raft.role === 'leader' &&
        (group.generation > generation || (group.generation === generation && group.raft.term > raft.term))
      ) {
        this.report(
          'lease',
          number,
          `${memberOf(node)} has a lease in term ${raft.term} of generation ${generation}, and ${memberOf(other)} leads in ` +
            `term ${group.raft.term} of ${group.generation}`,
        );
      }
    }
  }
}

/** Whether it could answer a linearizable read of some group by itself now. */
export function holdsLease(node: TestNode): boolean {
  const reads = node.alive ? leasesOf(node)?.reads : undefined;
  return reads !== undefined && (groupsOf(node)?.values() ?? []).some((group) => reads.holds(group));
}

/** Of the node's strong mode, the real one; undefined where there are none. */
export function leasesOf({ strong }: TestNode): Leases | undefined {
  return ((strong ?? {}) as unknown as { leases?: Leases }).leases;
}
