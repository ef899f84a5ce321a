/** What names this node to the others: its incarnation, its process run, its cluster; read or made when it starts. */
import { type ClusterNote, clusterNoteOf } from '../cluster/cluster-note.js';
import { CLASSES_META, type ClassNotes } from '../cluster/class-birth.js';
import { type RememberedPeer } from '../cluster/remembered-peers.js';
import { DkvError } from '../dkv.errors.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { incarnationOf, newIncarnation, noteIncarnation, previousIncarnationsOf } from './incarnation.js';
import { grantedBefore, grantMsOf } from './leases.js';
import { promisesOf, type RecoveryPromise } from './recovery-promises.js';
import { closeGaps, gapIn } from './stored-group.js';
import { type StrongModeParts } from './strong-mode-parts.js';

const SESSION_META = 'session';
const PEERS_META = 'peers';
/** Process runs of one millisecond are told apart by so many. */
const SESSIONS_PER_MS = 1_024;
const NOTE_EVERY_TICKS = 10;

/** A process run, for the next one. Most folders know nothing of leases. */
type RunNote = number | { readonly session: number; readonly grantsLeases: true };

export interface Identity {
  incarnation: string;
  /** Those that the folder had before, the last first. */
  earlierIncarnations: readonly string[];
  /** By group. */
  readonly promises: ReadonlyMap<number, RecoveryPromise>;
  /** This process run. */
  readonly session: number;
  /** Under which requests are made: this process run, or a later one that has to be pretended. */
  requestSession: number;
  readonly cluster: ClusterNote;
  readonly classes: ClassNotes;
  readonly peers: ReadonlyMap<string, RememberedPeer>;
  /** Whether a process run of this folder, this one included, ever granted leases. */
  readonly grantsLeases: boolean;
  /** For how long the process run before may have granted leases; 0 where it granted none. */
  readonly grantedMs: number;
}

/**
 * Gives what was found with its gaps closed, and who this node is by that: where store and log do not meet, it has forgotten.
 * @throws DkvError `DKV_LOG_DAMAGED` where nobody else has what lies between
 */
export async function openStored(parts: StrongModeParts): Promise<[StrongModeParts, Identity]> {
  const { view, log } = parts;
  const gap = gapIn(parts.stored);
  if (gap !== undefined && view.peers.length === 0) {
    throw new DkvError(
      'DKV_LOG_DAMAGED',
      `Node ${view.selfId} lacks what it had: ${gap}. What is between them is nowhere else. Put back a copy of its data ` +
        'folder that is whole, or begin with an empty one.',
    );
  }
  // First: whoever has closed its gaps shows no more that it forgot.
  const identity = await openIdentity({ ...parts, forgot: parts.forgot ?? gap });
  const stored = gap === undefined ? parts.stored : await closeGaps(parts.stored, log);
  return [{ ...parts, stored }, identity];
}

/** Reads, or makes, what names this node; resolves when it is durable. */
async function openIdentity(parts: StrongModeParts): Promise<Identity> {
  const { meta, clock, random, logger, forgot, view } = parts;
  const read = async <T>(name: string, otherwise: T): Promise<T> => {
    const text = await meta.getMeta(name);
    return text === undefined ? otherwise : (JSON.parse(text) as T);
  };
  const known = await incarnationOf(meta);
  const isNew = known === undefined || forgot !== undefined;
  const incarnation = isNew ? newIncarnation(random) : known;
  if (forgot !== undefined && known !== undefined) {
    logger.warn(
      `Node ${view.selfId} may have forgotten what it acknowledged: ${forgot}. ` +
        (view.peers.length === 0
          ? "The last writes before that may be lost; durability 'fsync' keeps them."
          : 'It goes on as a new voter, and the others bring it up to date.'),
    );
  }
  if (isNew) {
    await noteIncarnation(meta, incarnation);
  }
  if (forgot !== undefined) {
    await parts.acceptForgetting();
  }
  if (isNew) {
    // A folder that does not name a member which the groups count as a voter would be taken for a new one.
    await parts.makeDurable();
  }
  const last = await read<RunNote>(SESSION_META, 0);
  const session = sessionAfter(typeof last === 'number' ? last : last.session, clock, random);
  const grantsLeases = typeof last !== 'number' || grantMsOf(parts) > 0;
  await meta.putMeta(SESSION_META, noteOfRun(session, grantsLeases));
  const cluster = await clusterNoteOf(meta);
  const classes = await read<ClassNotes>(CLASSES_META, {});
  const peers = new Map(Object.entries(await read<Record<string, RememberedPeer>>(PEERS_META, {})));
  return {
    incarnation,
    earlierIncarnations: await previousIncarnationsOf(meta),
    promises: await promisesOf(meta),
    session,
    requestSession: session,
    cluster,
    classes,
    peers,
    grantsLeases,
    grantedMs: grantsLeases ? await grantedBefore(parts) : 0,
  };
}

/** The node goes on as another incarnation, which is noted durably. */
export function takeOver(identity: Identity, incarnation: string): void {
  identity.earlierIncarnations = [identity.incarnation, ...identity.earlierIncarnations];
  identity.incarnation = incarnation;
}

function noteOfRun(session: number, grantsLeases: boolean): string {
  const note: RunNote = grantsLeases ? { session, grantsLeases } : session;
  return JSON.stringify(note);
}

/** Rises with every process run, also when the clock was set back, as far as the folder tells. */
function sessionAfter(last: number, clock: Clock, random: Random): number {
  const byClock = clock.now() * SESSIONS_PER_MS + Math.floor(random.next() * SESSIONS_PER_MS);
  return Math.max(last + 1, byClock);
}

/** Requests are made under a later process run than `above` from now on, once that is noted. */
export function raiseSession(
  identity: Identity,
  above: number,
  { meta, clock, random, logger }: StrongModeParts,
): void {
  if (above < identity.requestSession) {
    return;
  }
  const session = sessionAfter(above, clock, random);
  meta.putMeta(SESSION_META, noteOfRun(session, identity.grantsLeases)).then(
    () => (identity.requestSession = Math.max(identity.requestSession, session)),
    (error: Error) => logger.warn(`A later process run was not noted: ${error.message}`),
  );
}

/** Notes what peers have said of themselves, for the next process run, when it has changed. */
export class PeerMemory {
  private noted = '';
  private ticks = 0;

  constructor(private readonly parts: StrongModeParts) {}

  /** Once a heartbeat interval. */
  tick(remembered: () => Record<string, RememberedPeer>): void {
    if (++this.ticks % NOTE_EVERY_TICKS !== 0) {
      return;
    }
    const text = JSON.stringify(remembered());
    if (text !== this.noted) {
      this.noted = text;
      this.parts.meta
        .putMeta(PEERS_META, text)
        .catch((error: Error) =>
          this.parts.logger.warn(`What peers have said was not noted: ${error.message}`),
        );
    }
  }
}
