/** What this node says of itself with its frames and heartbeats: looked up field by field, for most need one or two. */
import { type Birth } from '../cluster/birth.js';
import { type OwnStanding } from '../cluster/peer-directory.js';
import { type NodeLog } from '../ports/node-log.js';
import { type Identity } from './node-identity.js';

export class Standing implements OwnStanding {
  constructor(
    private readonly identity: Identity,
    private readonly log: NodeLog,
    private readonly birth: () => Birth,
    private readonly now: {
      readonly isFit: () => boolean;
      readonly isReady: () => boolean;
      readonly isWritable: () => boolean;
      readonly ledNumber: () => number;
    },
  ) {}

  get session(): number {
    return this.identity.session;
  }

  get incarnation(): string {
    return this.identity.incarnation;
  }

  get clusterId(): string {
    return this.birth().clusterId;
  }

  get openedPosition(): number {
    return this.log.openedPosition;
  }

  get durablePosition(): number {
    return this.log.durablePosition;
  }

  get isFit(): boolean {
    return this.now.isFit();
  }

  get isReady(): boolean {
    return this.now.isReady();
  }

  get isWritable(): boolean {
    return this.now.isWritable();
  }

  get ledNumber(): number {
    return this.now.ledNumber();
  }
}
