/** What an operator asks of the members of a cluster: each change is agreed on, and noted in the log. */
import { type CoreContext } from '../cluster/core-context.js';
import { movesReportOf } from '../cluster/configuration-report.js';
import { DkvError, type DkvErrorCode, isDkvError } from '../dkv.errors.js';
import { type MembershipChange } from '../model/membership.js';
import { type MovesReport } from '../model/moves-report.js';
import { type ClusterNode } from '../model/node.js';
import { NODE_ID_PATTERN } from '../model/version.js';
import { areZones, PREFERRED_ZONES_RULE, ZONE_LENGTH_MAX } from '../model/zones.js';
import { type Membership } from '../ports/membership.js';

/** What to do about errors whose own message cannot know that it was the members that were to change. */
const REMEDIES: Partial<Record<DkvErrorCode, string>> = {
  DKV_NOT_READY: 'Start the nodes that are missing, and ask again.',
  DKV_CONFLICT: 'Look at what moves now, and ask again.',
  DKV_TIMEOUT: 'Look for nodes that are slow, and ask again.',
  DKV_INDETERMINATE: 'It may be agreed on yet: look at the members, and ask again.',
};

/** By which way an operator came. */
export type AdminDoor = 'API' | 'admin port';

export interface ChangeOptions {
  /** Noted in the log. */
  readonly by: AdminDoor;
  readonly timeoutMs: number;
}

/**
 * All changes resolve with the epoch of a configuration that has them; asked for again, they change nothing. Nothing has moved
 * then: `moves` tells of that. They may be called concurrently.
 *
 * Errors of all changes: `DKV_INVALID_ARGUMENT` (the node is no member or no candidate, or nobody would stay),
 * `DKV_NOT_READY` (the cluster is not born yet), `DKV_QUORUM_NOT_REACHED` (too few of the nodes that keep the configuration can be
 * reached), `DKV_CONFLICT` (others change the members all the time), `DKV_TIMEOUT`, `DKV_INDETERMINATE` (it may be agreed on yet).
 */
export class MembershipAdministration {
  constructor(
    private readonly context: Pick<CoreContext, 'view' | 'logger'>,
    private readonly membership: Membership,
  ) {}

  /** As this node knows it; nobody is asked. */
  moves(): MovesReport {
    return movesReportOf(this.membership.configuration, this.membership.progress);
  }

  /** Takes a candidate in; one that is a member stays one. */
  async admit(nodeId: string, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    return this.change(`node ${nodeId} is to join`, options, () =>
      this.isMember(nodeId) ? [{ kind: 'stay', nodeId }] : [{ kind: 'join', node: this.candidate(nodeId) }],
    );
  }

  /** Has a node give all its copies away; it is no member then. */
  async decommission(nodeId: string, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    return this.change(`node ${nodeId} is to leave`, options, () => [{ kind: 'leave', nodeId }]);
  }

  /** The same for a node that is down and does not come back. @throws DkvError `DKV_INVALID_ARGUMENT` where it is not down, too */
  async remove(nodeId: string, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    return this.change(`node ${nodeId}, which is down, is to be removed`, options, () => {
      const state = this.context.view.stateOf(nodeId);
      if (state !== 'down') {
        throw invalid(
          `Node ${nodeId} is not down, but ${state}: decommission it, so that it gives its copies away itself; or stop it first.`,
        );
      }
      return [{ kind: 'leave', nodeId }];
    });
  }

  /** One leaves and a candidate joins, planned together: what moves goes from the one to the other as far as that is fair. */
  async replace(nodeId: string, byNodeId: string, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    assertNodeId('byNodeId', byNodeId);
    return this.change(`node ${nodeId} is to be replaced by ${byNodeId}`, options, () => {
      if (this.isMember(byNodeId)) {
        throw invalid(
          `Node ${byNodeId} is a member already: name a candidate, or decommission node ${nodeId} alone.`,
        );
      }
      return [
        { kind: 'join', node: this.candidate(byNodeId) },
        { kind: 'leave', nodeId },
      ];
    });
  }

  /** Has a node that leaves stay; what it gave away comes back to it as is fair. */
  async keep(nodeId: string, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    return this.change(`node ${nodeId} is to stay`, options, () => [{ kind: 'stay', nodeId }]);
  }

  /** @param weight above 0, relative to the others' */
  async setWeight(nodeId: string, weight: number, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    if (!(Number.isFinite(weight) && weight > 0)) {
      throw invalid(`weight is ${weight}: give a finite number above 0, such as 1.`);
    }
    return this.change(`the weight of node ${nodeId} is to be ${weight}`, options, () => [
      { kind: 'weight', nodeId, weight },
    ]);
  }

  /** @param zone up to 100 characters; '' where it is not known */
  async setZone(nodeId: string, zone: string, options: ChangeOptions): Promise<number> {
    assertNodeId('nodeId', nodeId);
    if (zone.length > ZONE_LENGTH_MAX) {
      throw invalid(`zone has ${zone.length} characters: give at most ${ZONE_LENGTH_MAX}.`);
    }
    return this.change(`the zone of node ${nodeId} is to be ${JSON.stringify(zone)}`, options, () => [
      { kind: 'zone', nodeId, zone },
    ]);
  }

  /**
   * @param replicas copies besides the holder's, 0 to 15
   * @param namespace one that asked for a number of copies: that of all which asked for as many changes; undefined for the cluster's
   */
  async setReplicas(
    replicas: number,
    namespace: string | undefined,
    options: ChangeOptions,
  ): Promise<number> {
    const of = namespace === undefined ? 'a key' : `a key of namespace ${JSON.stringify(namespace)}`;
    return this.change(`${of} is to have ${replicas} replicas`, options, () => [
      { kind: 'replicas', placement: namespace === undefined ? 0 : this.placementOf(namespace), replicas },
    ]);
  }

  /** The whole list, the best first; none: leaders are spread over all nodes. */
  async setPreferredZones(zones: readonly string[], options: ChangeOptions): Promise<number> {
    if (!areZones(zones)) {
      throw invalid(`zones is ${JSON.stringify(zones)}: give ${PREFERRED_ZONES_RULE}.`);
    }
    const named = zones.length === 0 ? 'no zone is' : `zones ${zones.join(', ')} are`;
    return this.change(`${named} to be preferred for leaders`, options, () => [
      { kind: 'preferredZones', zones },
    ]);
  }

  private async change(
    what: string,
    { by, timeoutMs }: ChangeOptions,
    changes: () => readonly MembershipChange[],
  ): Promise<number> {
    const { logger } = this.context;
    const asked = `Members, by the ${by}: ${what}`;
    try {
      const epoch = await this.membership.change(changes(), timeoutMs);
      logger.log(`${asked}; agreed on, epoch ${epoch}.`);
      return epoch;
    } catch (error) {
      const told = this.withRemedy(error);
      logger.warn(
        `${asked}; without success: ${isDkvError(told) ? `${told.code}: ` : ''}${String((told as Error).message)}`,
      );
      throw told;
    }
  }

  private withRemedy(error: unknown): unknown {
    if (!isDkvError(error)) {
      return error;
    }
    const keepers = this.membership.configuration.lists.at(-1) ?? [];
    const remedy =
      error.code === 'DKV_QUORUM_NOT_REACHED'
        ? `A majority of ${keepers.join(', ')}, which keep the configuration, is needed: start those that are down.`
        : REMEDIES[error.code];
    return remedy === undefined
      ? error
      : new DkvError(error.code, `${error.message} ${remedy}`, { cause: error });
  }

  /** As far as this node knows. Whether a node is a member is for the core to say: this one may not have heard of it yet. */
  private isMember(nodeId: string): boolean {
    return this.membership.configuration.members.some((member) => member.nodeId === nodeId);
  }

  private placementOf(namespace: string): number {
    const { namespaces } = this.membership.configuration;
    const found = namespaces.find(({ name }) => name === namespace);
    if (!found) {
      throw new DkvError(
        'DKV_UNKNOWN_NAMESPACE',
        `The cluster has no namespace ${JSON.stringify(namespace)}, only ${namespaces.map(({ name }) => name).join(', ')}.`,
      );
    }
    if (found.placement === 0) {
      throw invalid(
        `Namespace ${JSON.stringify(namespace)} has as many copies as the cluster: name no namespace, and those of the cluster change.`,
      );
    }
    return found.placement;
  }

  private candidate(nodeId: string): ClusterNode {
    const { candidates } = this.membership;
    const found = candidates.find((node) => node.nodeId === nodeId);
    if (!found) {
      throw invalid(
        `Node ${nodeId} is no candidate: ` +
          (candidates.length > 0
            ? `name one of ${idsOf(candidates)}, or start it so that it finds this cluster.`
            : 'none waits to join. Start it so that it finds this cluster.'),
      );
    }
    return found;
  }
}

function assertNodeId(name: string, nodeId: string): void {
  if (!NODE_ID_PATTERN.test(nodeId)) {
    throw invalid(`${name} is ${JSON.stringify(nodeId)}: give 1 to 100 characters of A-Z a-z 0-9 . _ -`);
  }
}

function idsOf(nodes: readonly ClusterNode[]): string {
  return nodes.map(({ nodeId }) => nodeId).join(', ');
}

function invalid(message: string): DkvError {
  return new DkvError('DKV_INVALID_ARGUMENT', message);
}
