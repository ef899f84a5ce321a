/** Finds the groups of which a majority of the voters is gone for good, and says whose members are missed and what to do. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { keepsConfiguration } from '../model/membership.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { hasQuorum, votersOf } from '../raft/raft-configurations.js';
import { forcedConfiguration } from '../raft/raft-recovery.js';
import { isGoneMember } from './replacement.js';
import { type GroupList } from './group-list.js';

const WARN_EVERY_MS = 60_000;
/** Mostly they go on by themselves before. */
const WARN_AFTER_MS = 5_000;
const NAMED_MAX = 6;

export class LostMajorities {
  private warnedAtMs = -Infinity;
  private sinceMs: number | undefined;
  private found: string | undefined;
  private readonly lost = new Set<number>();

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

  /** As of the last {@link look}. */
  isLost(group: number): boolean {
    return this.lost.has(group);
  }

  /** Now and then: it costs a look at every group. */
  look(): void {
    const missed = new Set<MemberId>();
    this.lost.clear();
    for (const { number, raft, knownConfiguration: configuration } of this.services.groups.values()) {
      if (
        raft.leader === undefined &&
        configuration.voters.length > 0 &&
        !hasQuorum(configuration, (voter) => !this.isGone(voter)) &&
        forcedConfiguration(configuration, (voter) => this.isGone(voter)) === undefined
      ) {
        this.lost.add(number);
        votersOf(configuration)
          .filter((voter) => this.isGone(voter))
          .forEach((voter) => missed.add(voter));
      }
    }
    this.found = this.lost.size > 0 ? describe(this.lost, [...missed].sort()) : undefined;
    const now = this.services.clock.monotonic();
    this.sinceMs = this.found === undefined ? undefined : (this.sinceMs ?? now);
    const lasts = this.sinceMs !== undefined && now - this.sinceMs >= WARN_AFTER_MS;
    if (lasts && now - this.warnedAtMs >= WARN_EVERY_MS) {
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

function describe(all: ReadonlySet<number>, missed: readonly MemberId[]): string {
  const lost = [...all].filter((number) => !keepsConfiguration(number));
  const named = (some: readonly (string | number)[]) =>
    some.length > NAMED_MAX
      ? `${some.slice(0, NAMED_MAX).join(', ')} and ${some.length - NAMED_MAX} more`
      : some.join(', ');
  const which =
    lost.length > 0 ? `${lost.length} partitions (${named(lost)})` : "the cluster's configuration";
  return (
    `a majority of the members of ${which} has forgotten what it acknowledged, so nobody ` +
    `may lead them: missed are ${named(missed)}. They go on by themselves once all their nodes are up, where most of those ` +
    'have their folders still. Else put back the folders if you have them, or stop the nodes and go on with what is left, ' +
    'all folders in one command: npx -p nestjs-dkv dkv recover --data-dir <folder> --data-dir <folder> … ' +
    '(with storage memory, they go on with what is left once all nodes are up)'
  );
}
