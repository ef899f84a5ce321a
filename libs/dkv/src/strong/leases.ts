/** What makes leases of a node (`leaseReads`): those that its groups' leaders hold, and those that it grants as a voter. */
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type GroupList } from './group-list.js';
import { LeaseGrants } from './lease-grants.js';
import { type Leadership } from './leadership.js';
import { ReadLeases } from './read-leases.js';
import { type StrongModeParts } from './strong-mode-parts.js';

type Meta = Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;

const GRANTS_META = 'leaseGrantsMs';

/** For how long this process grants leases; 0 where it is told to grant none. Others may join a node that is alone. */
export function grantMsOf({ limits }: Pick<StrongModeParts, 'limits'>): number {
  return limits.leaseReads ? limits.electionTimeoutMs : 0;
}

/**
 * For how long the process before this one may have granted leases, though it may have been told otherwise than this one.
 * Resolves when the next one will know of this one's, too.
 */
export async function grantedBefore(parts: Omit<StrongModeParts, 'stored'>): Promise<number> {
  const { meta, makeDurable } = parts;
  const noted = Number((await meta.getMeta(GRANTS_META)) ?? 0);
  const longest = Math.max(noted, grantMsOf(parts));
  if (longest > noted) {
    await meta.putMeta(GRANTS_META, String(longest));
    await makeDurable();
  }
  return longest;
}

export class Leases {
  readonly grants: LeaseGrants;
  /** Undefined where leaders hold none. */
  readonly reads: ReadLeases | undefined;

  private constructor(
    private readonly meta: Meta,
    clock: StrongModeParts['clock'],
    private readonly grantMs: number,
    private readonly grantedMs: number,
  ) {
    this.grants = new LeaseGrants(clock, grantMs, grantedMs);
    this.reads = grantMs > 0 ? new ReadLeases(clock, grantMs) : undefined;
  }

  /** Undefined where there are none, and were none before. */
  static of(parts: StrongModeParts, grantedMs: number): Leases | undefined {
    const grantMs = grantMsOf(parts);
    return grantMs > 0 || grantedMs > 0 ? new Leases(parts.meta, parts.clock, grantMs, grantedMs) : undefined;
  }

  /** Once a heartbeat interval: where a grant is over, this node votes and stands again. */
  tick({ groups, leadership }: { readonly groups: GroupList; readonly leadership: Leadership }): void {
    this.grants.tick((number) => {
      if (number === undefined) {
        this.noteStart();
      }
      for (const group of number === undefined ? [...groups.values()] : [groups.get(number)]) {
        if (group) {
          leadership.leaseEnded(group);
        }
      }
    });
  }

  private noteStart(): void {
    if (this.grantedMs !== this.grantMs) {
      // Where the note fails, the next process waits longer than it must.
      this.meta.putMeta(GRANTS_META, String(this.grantMs)).catch(() => undefined);
    }
  }
}
