/** Says which groups nobody can ever lead again without an operator, whose members are missed, and what to do. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { hasQuorum, votersOf } from '../raft/raft-configurations.js';
import { forcedConfiguration } from '../raft/raft-recovery.js';
import { isGoneMember } from './replacement.js';
import { type GroupList } from './group-list.js';

const WARN_EVERY_MS = 60_000;
const NAMED_MAX = 6;

export class LostMajorities {
  private warnedAtMs = -Infinity;
  private found: string | undefined;

  constructor(
    private readonly services: {
      readonly groups: GroupList;
      readonly directory: PeerDirectory;
      /** This node, as the groups know it now. */
      readonly member: () => MemberId;
      readonly clock: Clock;
      readonly logger: Logger;
    },
  ) {}

  /** In words for an operator; undefined where there is none. As of the last {@link look}. */
  get reason(): string | undefined {
    return this.found;
  }

  /** Now and then: it costs a look at every group. */
  look(): void {
    const lost: number[] = [];
    const missed = new Set<MemberId>();
    for (const { number, raft } of this.services.groups.values()) {
      const { configuration, leader } = raft;
      if (
        leader === undefined &&
        configuration.voters.length > 0 &&
        !hasQuorum(configuration, (voter) => !this.isGone(voter)) &&
        forcedConfiguration(configuration, (voter) => this.isGone(voter)) === undefined
      ) {
        lost.push(number);
        votersOf(configuration)
          .filter((voter) => this.isGone(voter))
          .forEach((voter) => missed.add(voter));
      }
    }
    this.found = lost.length > 0 ? describe(lost, [...missed].sort()) : undefined;
    const now = this.services.clock.monotonic();
    if (this.found !== undefined && now - this.warnedAtMs >= WARN_EVERY_MS) {
      this.warnedAtMs = now;
      this.services.logger.error(`${this.found}.`);
    }
  }

  private isGone(voter: MemberId): boolean {
    const { member, directory } = this.services;
    const self = member();
    return nodeOf(voter) === nodeOf(self) ? voter !== self : isGoneMember(voter, directory);
  }
}

function describe(lost: readonly number[], missed: readonly MemberId[]): string {
  const named = (all: readonly (string | number)[]) =>
    all.length > NAMED_MAX
      ? `${all.slice(0, NAMED_MAX).join(', ')} and ${all.length - NAMED_MAX} more`
      : all.join(', ');
  return (
    `a majority of the members of ${lost.length} partitions (${named(lost)}) has forgotten what it acknowledged, so nobody ` +
    `may lead them: missed are ${named(missed)}. Put back their folders if you have them; else stop the nodes and go on ` +
    'with what is left, all folders in one command: npx -p nestjs-dkv dkv recover --data-dir <folder> --data-dir <folder> … ' +
    '(with storage memory, start all nodes again: the cluster begins empty)'
  );
}
