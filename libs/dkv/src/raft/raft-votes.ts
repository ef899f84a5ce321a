/** The answers to one candidacy. */
import { type Configuration, type MemberId } from '../model/raft-messages.js';
import { hasQuorum } from './raft-configurations.js';

export class RaftVotes {
  private readonly granted: MemberId[] = [];
  private readonly refused: MemberId[] = [];

  /** The first answer of a member counts; repeated ones change nothing. */
  add(member: MemberId, isGranted: boolean): void {
    if (!this.granted.includes(member) && !this.refused.includes(member)) {
      (isGranted ? this.granted : this.refused).push(member);
    }
  }

  isWon(configuration: Configuration): boolean {
    return hasQuorum(configuration, (member) => this.granted.includes(member));
  }

  /** No majority can be had any more. */
  isLost(configuration: Configuration): boolean {
    return !hasQuorum(configuration, (member) => !this.refused.includes(member));
  }
}
