/** Makes another voter of a node that finds out, while it runs, that it may have forgotten what it acknowledged: rule 12. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { type Random } from '../ports/random.js';
import { newIncarnation, noteIncarnation } from './incarnation.js';
import { type GroupList } from './group-list.js';

export class Forgetting {
  private noting = false;
  /** Why, where it could not be noted yet. */
  private reason: string | undefined;
  /** Which is to be noted: the same one however often that fails. */
  private incarnation: string | undefined;

  constructor(
    private readonly parts: {
      readonly view: ClusterView;
      readonly logger: Logger;
      readonly random: Random;
      readonly meta: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;
      /** Puts on the medium what was written, whatever the durability. */
      readonly makeDurable: () => Promise<void>;
    },
    private readonly groups: GroupList,
    private readonly taken: (incarnation: string) => void,
  ) {}

  /** From the moment on at which it must not be the voter that it was, until it is another one. */
  get isUnderWay(): boolean {
    return this.reason !== undefined;
  }

  /** From the call on the groups say and count nothing, until the new incarnation is durable. */
  begin(reason: string): void {
    const { logger, view } = this.parts;
    if (this.reason === undefined) {
      logger.warn(
        `Node ${view.selfId} may have forgotten what it acknowledged: ${reason}. It goes on as a new voter.`,
      );
    }
    this.reason = reason;
    this.tick();
  }

  /** Once a heartbeat interval: what could not be noted is tried again. */
  tick(): void {
    if (this.reason === undefined || this.noting) {
      return;
    }
    const { meta, random, logger, makeDurable } = this.parts;
    const incarnation = (this.incarnation ??= newIncarnation(random));
    this.noting = true;
    for (const group of this.groups.values()) {
      group.suspend();
    }
    // A folder that does not name a member which the groups count as a voter would be taken for a new one.
    const noted = noteIncarnation(meta, incarnation).then(makeDurable);
    noted.then(
      () => {
        this.taken(incarnation);
        this.incarnation = undefined;
        this.noting = false;
        this.reason = undefined;
        for (const group of this.groups.values()) {
          group.reincarnate();
        }
      },
      (error: Error) => {
        this.noting = false;
        logger.error(`The new incarnation could not be noted: ${error.message}`);
      },
    );
  }
}
