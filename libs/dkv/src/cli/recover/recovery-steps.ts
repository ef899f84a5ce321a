/** Does what was planned and agreed to, in an order in which a crash at any moment leaves something to go on from. */
import { type NodeLog } from '../../ports/node-log.js';
import { type Random } from '../../ports/random.js';
import { encodeConfiguration } from '../../raft/configuration-layout.js';
import { type NodeStorage } from '../../storage/node-storage.js';
import { type OfflineOptions, openOffline } from '../../storage/offline-storage.js';
import { linesOf } from '../../strong/dropped-entries.js';
import { newIncarnation, noteIncarnation } from '../../strong/incarnation.js';
import { closeGaps } from '../../strong/stored-group.js';
import { type FolderView } from './inspect-folder.js';
import { type ForcedGroup, type RecoveryPlan, type VoidedGroup } from './recovery-plan.js';
import { countOf, numbersOf } from './recovery-report.js';

/** In each folder: one line of JSON for every recovery that changed it. */
export const RECOVERY_LOG = 'recover.log';

/** What was done, a sentence each. */
export type Done = (sentence: string) => void;

interface FolderWork {
  readonly folder: FolderView;
  readonly forced: readonly (ForcedGroup & { readonly number: number })[];
  readonly voided: readonly VoidedGroup[];
  /** Files with what is dropped, by group. */
  readonly dropped: readonly { readonly number: number; readonly from: ForcedGroup['dropped'][number] }[];
}

/**
 * First the folders that groups go on from, then what is void in others: in between, every folder still has all it had, and
 * the same command goes on.
 * @throws DkvError as `NodeStorage.open`, `DKV_STORAGE_FAILED` when something could not be written
 */
export async function recover(
  plan: RecoveryPlan,
  options: OfflineOptions & { readonly random: Random },
  done: Done,
): Promise<void> {
  for (const folder of plan.folders) {
    const forced = plan.groups.flatMap(({ number, forced: found }) =>
      found?.source === folder ? [{ ...found, number }] : [],
    );
    if (forced.length > 0 || plan.cut.includes(folder)) {
      const dropped = droppedOf(plan, folder).filter(({ source }) => source === folder);
      await workOn({ folder, forced, voided: [], dropped }, options, done);
    }
  }
  for (const folder of plan.folders) {
    const voided = plan.voided.filter((one) => one.folder === folder);
    const dropped = droppedOf(plan, folder).filter(({ source }) => source !== folder);
    if (voided.length > 0) {
      await workOn({ folder, forced: [], voided, dropped }, options, done);
    }
  }
}

function droppedOf({ groups }: RecoveryPlan, folder: FolderView) {
  return groups.flatMap(({ number, forced }) =>
    (forced?.dropped ?? [])
      .filter((one) => one.folder === folder)
      .map((from) => ({ number, from, source: forced!.source })),
  );
}

async function workOn(
  work: FolderWork,
  options: OfflineOptions & { readonly random: Random },
  done: Done,
): Promise<void> {
  const { folder, forced, voided, dropped } = work;
  const sentences: string[] = [];
  const did = (sentence: string) => {
    sentences.push(sentence);
    done(`${folder.where}: ${sentence}`);
  };
  const at = new Date(options.clock.now()).toISOString();
  if (dropped.length > 0) {
    const name = `dropped-${at.replaceAll(/[:.]/g, '-')}.jsonl`;
    did(`${await keepDropped(name, work)} entries that no folder knows as committed are in ${name}.`);
  }
  const storage = await openOffline(folder.folder, options, false);
  try {
    if (folder.damage) {
      const { file, offset } = folder.damage;
      did(`the log was cut at ${file}, offset ${offset}; segments behind that are kept as ….cut.`);
    }
    const member = await memberOfNow(folder, storage, forced.length > 0, options.random, did);
    for (const group of forced) {
      addForced(storage.log, group, member);
    }
    for (const { number, generation, term } of voided) {
      storage.log.addHardState(number, { generation, term, vote: '' });
      storage.log.addReset(number, generation, 0, 0);
    }
    await flushed(storage.log);
    if (forced.length > 0) {
      did(`${countOf(forced)} go on from here, led by ${member}: ${numbersOf(forced)}.`);
    }
    if (voided.length > 0) {
      did(`${countOf(voided)} are void and are fetched from the node that leads them: ${numbersOf(voided)}.`);
    }
    await folder.folder.home.keep(RECOVERY_LOG, `${JSON.stringify({ at, did: sentences })}\n`);
  } finally {
    await storage.close();
  }
}

/** Where a forced configuration names it, a node that forgot takes its new incarnation now and not at its start. */
async function memberOfNow(
  { nodeId, incarnation }: FolderView,
  storage: NodeStorage,
  isNamed: boolean,
  random: Random,
  did: Done,
): Promise<string> {
  if (storage.forgot === undefined || !isNamed) {
    if (storage.forgot !== undefined) {
      did('the node will start as a new voter, and the others bring it up to date.');
    }
    return `${nodeId}@${incarnation}`;
  }
  const next = newIncarnation(random);
  await closeGaps(storage.groups, storage.log);
  await noteIncarnation(storage.local, next);
  await storage.acceptForgetting();
  did(`the node is another voter from now on: ${nodeId}@${next}.`);
  return `${nodeId}@${next}`;
}

/** All in one append. The store is taken over as it is, since the log begins anew right behind it. */
function addForced(
  log: NodeLog,
  { number, view, generation, term }: FolderWork['forced'][number],
  member: string,
): void {
  log.addHardState(number, { generation, term, vote: '' });
  log.addReset(number, generation, view.applied, view.appliedTerm);
  for (const { term: of, index, kind, data } of view.tail) {
    log.addEntry(number, generation, of, index, kind, data);
  }
  const configuration = encodeConfiguration({ voters: [member], outgoing: [], learners: [] });
  log.addEntry(number, generation, term, view.lastIndex + 1, 'configuration', configuration);
}

function flushed(log: NodeLog): Promise<void> {
  return new Promise((resolve, reject) => log.flush((error) => (error ? reject(error) : resolve())));
}

async function keepDropped(name: string, { folder, dropped }: FolderWork): Promise<number> {
  const lines = dropped.map(({ number, from }) => linesOf(number, from.entries));
  await folder.folder.home.keep(name, lines.join(''));
  return dropped.reduce((count, { from }) => count + from.entries.length, 0);
}
