/** The id by which the others know a node's folder, durably noted, and those it had before (rule 12). */
import { hex12 } from '../model/hex.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Random } from '../ports/random.js';

type Meta = Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;

const INCARNATION_META = 'incarnation';
const PREVIOUS_META = 'previousIncarnations';
/** A machine that goes down under `wal` takes one with every start, also while a group waits for others for days. */
const PREVIOUS_MAX = 256;

export function newIncarnation(random: Random): string {
  return hex12(Math.floor(random.next() * 2 ** 48));
}

/** Undefined in a folder that is new. */
export function incarnationOf(meta: Pick<Meta, 'getMeta'>): Promise<string | undefined> {
  return meta.getMeta(INCARNATION_META);
}

/** The ids that the folder had before, the last first: a group may still count them as voters. */
export async function previousIncarnationsOf(meta: Pick<Meta, 'getMeta'>): Promise<readonly string[]> {
  const text = await meta.getMeta(PREVIOUS_META);
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}

/** Resolves when it is durable that the folder is another voter from now on. */
export async function noteIncarnation(meta: Meta, incarnation: string): Promise<void> {
  const last = await incarnationOf(meta);
  if (last !== undefined && last !== incarnation) {
    // First, so that a crash in between forgets none.
    const known = (await previousIncarnationsOf(meta)).filter((previous) => previous !== last);
    await meta.putMeta(PREVIOUS_META, JSON.stringify([last, ...known].slice(0, PREVIOUS_MAX)));
  }
  await meta.putMeta(INCARNATION_META, incarnation);
}
