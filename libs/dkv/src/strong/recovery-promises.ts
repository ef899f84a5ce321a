/** The promises of recoveries that this node has given, kept on the medium: none is ever given twice. */
import { type MemberId } from '../model/raft-messages.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';

type Meta = Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;

const PROMISES_META = 'promises';

export interface RecoveryPromise {
  readonly generation: number;
  /** By which it was given: whoever it has been since is not bound by it. */
  readonly incarnation: string;
  /** Who asked for it: nobody else may count on it. */
  readonly to: MemberId;
}

/** By number of group. */
type PromiseNotes = Readonly<Record<number, RecoveryPromise>>;

export async function promisesOf(meta: Pick<Meta, 'getMeta'>): Promise<ReadonlyMap<number, RecoveryPromise>> {
  const text = await meta.getMeta(PROMISES_META);
  const notes = text === undefined ? {} : (JSON.parse(text) as PromiseNotes);
  return new Map(Object.entries(notes).map(([number, promise]) => [Number(number), promise]));
}

export class RecoveryPromises {
  private readonly given: Map<number, RecoveryPromise>;
  private readonly durable: Map<number, RecoveryPromise>;
  private noting: Promise<void> | undefined;

  constructor(
    found: ReadonlyMap<number, RecoveryPromise>,
    private readonly meta: Meta,
    /** Puts on the medium what was written, whatever the durability. */
    private readonly makeDurable: () => Promise<void>,
  ) {
    this.given = new Map(found);
    this.durable = new Map(found);
  }

  /** The highest generation that was promised for the group; 0 for none. */
  highest(group: number): number {
    return this.given.get(group)?.generation ?? 0;
  }

  /** What `incarnation` has promised for the group; 0 for nothing. */
  heldBy(incarnation: string, group: number): number {
    const promise = this.given.get(group);
    return promise?.incarnation === incarnation ? promise.generation : 0;
  }

  /** Whether the promise is on the medium. @param to whose it is; without it, anybody's */
  isDurable(group: number, generation: number, to?: MemberId): boolean {
    const promise = this.durable.get(group);
    return promise?.generation === generation && (to === undefined || promise.to === to);
  }

  /** Whether it was given to `to`, and is not on the medium yet. */
  isPending(group: number, generation: number, to: MemberId): boolean {
    const promise = this.given.get(group);
    return promise?.generation === generation && promise.to === to && !this.isDurable(group, generation, to);
  }

  /** Whether promises are on their way to the medium: else one that is pending could not be noted. */
  get isNoting(): boolean {
    return this.noting !== undefined;
  }

  /** What was promised has come to be: it binds nobody any more, and is never promised again. */
  fulfil(group: number): void {
    const promise = this.given.get(group);
    if (promise) {
      this.given.set(group, { ...promise, incarnation: '' });
      // Where the note fails, it is fulfilled again after the next start.
      (this.noting ??= this.noteAll()).catch(() => undefined);
    }
  }

  /** Resolves when the promise is on the medium, with all that was noted before. */
  async give(group: number, promise: RecoveryPromise): Promise<void> {
    this.given.set(group, promise);
    // One note for all that are given in a turn, and while another is on its way.
    await (this.noting ??= this.noteAll());
    if (!this.isDurable(group, promise.generation) && this.highest(group) === promise.generation) {
      await (this.noting ??= this.noteAll());
    }
  }

  private async noteAll(): Promise<void> {
    try {
      await Promise.resolve();
      const noted = new Map(this.given);
      await this.meta.putMeta(PROMISES_META, JSON.stringify(Object.fromEntries(noted)));
      await this.makeDurable();
      noted.forEach((promise, group) => this.durable.set(group, promise));
    } finally {
      this.noting = undefined;
    }
  }
}
