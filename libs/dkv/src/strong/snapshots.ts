/** How a member that is too far behind for the log gets the state of its group: page by page, at its own pace. */
import { Buffer } from 'node:buffer';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type RateLimit } from '../cluster/rate-limit.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type NodeMessage } from '../model/node-messages.js';
import { type PageMark } from '../model/strong-record.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type AppliedState, decodeAppliedState, encodeAppliedState } from './group-state-layout.js';
import { type GroupList } from './group-list.js';
import { type PeerRun } from './peer-run.js';
import { memberNow } from './replacement.js';
import { type StrongGroup } from './strong-group.js';

type Fetch = Extract<NodeMessage, { kind: 'fetch' }>;
type PageMessage = Extract<NodeMessage, { kind: 'page' }>;
type Page = Exclude<PageMessage['page'], 'later' | undefined>;

/** Groups whose snapshot is under way at this node at a time: so many pages are in memory at most. */
const FETCHES_MAX = 64;
/** Ticks after which a page that did not come is asked for again; after so many times the fetch is given up. */
const PAGE_TICKS = 10;
/** Ticks after which a page is asked for again that the leader could not give at that moment. */
const NOT_NOW_TICKS = 2;
/** What a record of a page takes beside namespace, key and value, and a page beside its records, about. */
const BESIDE_BYTES = 64;
const ATTEMPTS_MAX = 5;
/** Ticks after an ask during which the group counts as being fetched. */
const SERVED_TICKS = 50;
/** A fetch that fails is begun again at once, and said once in so many ticks. */
const TELL_EVERY_TICKS = 100;

export interface SnapshotServices {
  readonly store: StrongStore;
  readonly log: NodeLog;
  readonly logger: Logger;
  readonly groups: GroupList;
  readonly pageBytes: number;
  /** Of all transfers of this node. */
  readonly rate: RateLimit;
  post(nodeId: string, message: NodeMessage): void;
  wake(group: StrongGroup): void;
  isStopped(): boolean;
}

interface Waiting {
  readonly nodeId: string;
  readonly ask: Fetch;
  ticks: number;
  attempts: number;
  readonly done: (page: Page | undefined) => void;
}

/**
 * A snapshot is a scan that begins at an applied index and goes on while entries are applied. Entries are results, so
 * applying those from that index on mends what the scan saw too early; nothing is shown before the index that was
 * applied when the scan ended (rule 22).
 */
export class Snapshots {
  /** By group: ends with it, whatever became of it. */
  private readonly fetching = new Map<number, Promise<void>>();
  private readonly waiting = new Map<number, Waiting>();
  private lastSlot = 0;
  private ticks = 0;
  /** At which tick it was said last that a fetch had failed, by group. */
  private readonly told = new Map<number, number>();
  /** Pages that peers asked for and that wait for their turn: by node and slot. */
  private readonly due = new Set<string>();
  /** By group: up to which tick it counts as being fetched from here. */
  private readonly servedUntil = new Map<number, number>();

  constructor(private readonly services: SnapshotServices) {}

  /** Bytes of records, in pages of snapshots, since this process began. */
  sentBytes = 0;
  receivedBytes = 0;
  private readonly copied = new Map<number, number>();

  /** Whether a snapshot of the group is on its way to this node. */
  isFetching(group: number): boolean {
    return this.fetching.has(group);
  }

  get underWay(): number {
    return this.fetching.size;
  }

  /** Keys and values that this node has of the snapshot of a group, of the fetch that is under way or was last; undefined for none. */
  copiedOf(group: number): number | undefined {
    return this.copied.get(group);
  }

  /** Whether a peer fetches the group from this node, or did a moment ago: it will need the entries from then on. */
  isServed(group: number): boolean {
    return (this.servedUntil.get(group) ?? -1) >= this.ticks;
  }

  /**
   * A peer asks for a page of a group that this node leads. It gets it when the rate allows; asks that come meanwhile are told so,
   * and no page is in memory before.
   */
  serve(asker: PeerRun, fetch: Fetch): void {
    const { store, pageBytes, rate } = this.services;
    const { slot, group } = fetch;
    const name = `${asker.nodeId} ${slot}`;
    this.servedUntil.set(group, this.ticks + SERVED_TICKS);
    if (this.due.has(name)) {
      asker.say({ kind: 'page', slot, page: 'later' });
      return;
    }
    const taken = Math.min(pageBytes, store.bytesOf(group)) + BESIDE_BYTES;
    this.due.add(name);
    void rate.take(taken).then(() => {
      this.due.delete(name);
      this.read(asker, fetch, taken);
    });
  }

  /** @param taken of the rate, for a page of about that size */
  private read(
    asker: PeerRun,
    { slot, group: number, generation, logStart, after }: Fetch,
    taken: number,
  ): void {
    const { groups, store, logger, pageBytes, rate } = this.services;
    const group = groups.get(number);
    if (asker.isOver || this.services.isStopped()) {
      rate.giveBack(taken);
      return;
    }
    // Also a leader that has committed nothing of its term yet: it may be this very follower that it needs for that.
    if (!group?.mayServe || group.generation !== generation) {
      rate.giveBack(taken);
      asker.say({ kind: 'page', slot, page: undefined });
      return;
    }
    group.raft.learnCommitted(logStart.index, logStart.term);
    group.applyCommitted();
    const { applied: index, fetches } = group;
    const state = after ? NO_BYTES : encodeAppliedState({ ...group.appliedState(), wholeFrom: 0 });
    store.scan(number, after, pageBytes).then(
      ({ records, done }) => {
        const bytes = bytesOfPage(records);
        rate.giveBack(taken - bytes);
        if (group.fetches !== fetches || !group.mayServe) {
          // Its records became void meanwhile, or it is silent now.
          asker.say({ kind: 'page', slot, page: undefined });
          return;
        }
        const page = { index, state, readAtIndex: group.applied, records, done };
        if (!asker.sayBulk({ kind: 'page', slot, page })) {
          // Asked for again soon: the connection for what is long is being made.
          asker.say({ kind: 'page', slot, page: undefined });
          return;
        }
        this.sentBytes += bytes;
      },
      (error: Error) => {
        rate.giveBack(taken);
        logger.error(`Partition ${number} could not be read for node ${asker.nodeId}: ${error.message}`);
        asker.say({ kind: 'page', slot, page: undefined });
      },
    );
  }

  receive({ slot, page }: PageMessage): void {
    const waiting = this.waiting.get(slot);
    if (!waiting) {
      return;
    }
    if (page && page !== 'later') {
      this.waiting.delete(slot);
      waiting.done(page);
    } else {
      waiting.attempts = page === 'later' ? 0 : waiting.attempts;
      // "Not now": the tick asks again, or gives up.
      waiting.ticks = PAGE_TICKS - NOT_NOW_TICKS;
    }
  }

  /** Replaces what this node holds of a group by the state of the member that leads it. */
  fetch(group: StrongGroup, from: MemberId): void {
    const { store } = this.services;
    if (store.failure || this.fetching.has(group.number) || this.fetching.size >= FETCHES_MAX) {
      return;
    }
    const ended = this.run(group, nodeOf(from)).then(
      () => this.ended(group),
      (error: Error) => {
        this.tellFailed(group, error.message);
        this.ended(group);
      },
    );
    this.fetching.set(group.number, ended);
  }

  /** Nothing of the group is fetched any more, nor put into the store, when it resolves. */
  async giveUp({ number }: StrongGroup): Promise<void> {
    for (const [slot, { ask, done }] of this.waiting) {
      if (ask.group === number) {
        this.waiting.delete(slot);
        done(undefined);
      }
    }
    await this.fetching.get(number);
    this.told.delete(number);
    this.copied.delete(number);
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    for (const [group, until] of this.servedUntil) {
      if (until < this.ticks) {
        this.servedUntil.delete(group);
      }
    }
    for (const [slot, waiting] of this.waiting) {
      waiting.ticks++;
      if (waiting.ticks % PAGE_TICKS === 0) {
        waiting.attempts++;
        if (waiting.attempts >= ATTEMPTS_MAX) {
          this.waiting.delete(slot);
          waiting.done(undefined);
        } else {
          this.services.post(waiting.nodeId, waiting.ask);
        }
      }
    }
  }

  private async run(group: StrongGroup, nodeId: string): Promise<void> {
    const { store, rate } = this.services;
    this.copied.set(group.number, 0);
    group.beginFetching();
    await store.clear(group.number);
    assertWanted(group);
    let state: AppliedState | undefined;
    let index = 0;
    let after: PageMark | undefined;
    for (;;) {
      const page = await this.page(nodeId, group, after);
      assertWanted(group);
      if (!page) {
        throw new Error(`node ${nodeId} does not answer, or leads it no more`);
      }
      if (!state) {
        state = decodeAppliedState(page.state);
        index = page.index;
      }
      if (page.index < index) {
        // What comes after `index` is all that the log will mend.
        throw new Error(`node ${nodeId} has started again, and shows less than it did before`);
      }
      for (const { namespace, key, record } of page.records) {
        store.put(group.number, namespace, key, record);
      }
      const last = page.records.at(-1);
      const bytes = bytesOfPage(page.records);
      this.receivedBytes += bytes;
      this.copied.set(group.number, (this.copied.get(group.number) ?? 0) + payloadOf(page.records));
      // No page is asked for before, so that none can be late for it.
      await rate.take(bytes);
      if (this.services.isStopped()) {
        return;
      }
      assertWanted(group);
      if (page.done) {
        await this.install(group, index, state, page.readAtIndex);
        return;
      }
      after = last && { namespace: last.namespace, key: last.key };
      if (store.full) {
        await store.checkpoint();
        assertWanted(group);
      }
    }
  }

  private page(nodeId: string, group: StrongGroup, after: PageMark | undefined): Promise<Page | undefined> {
    const slot = ++this.lastSlot;
    const { number, generation, raft } = group;
    const index = raft.firstIndex - 1;
    const logStart = { index, term: raft.termAt(index) ?? 0 };
    const ask = { kind: 'fetch', slot, group: number, generation, logStart, after } as const;
    return new Promise((done) => {
      this.waiting.set(slot, { nodeId, ask, ticks: 0, attempts: 0, done });
      this.services.post(nodeId, ask);
    });
  }

  /** The records are durable before the member says that it has them. */
  private async install(
    group: StrongGroup,
    index: number,
    state: AppliedState,
    wholeFrom: number,
  ): Promise<void> {
    const { store } = this.services;
    const { raft } = group;
    if (state.generation !== group.generation) {
      throw new Error(`it is of generation ${state.generation}, not ${group.generation}`);
    }
    const continues = raft.termAt(index) === state.term && raft.firstIndex <= index + 1;
    if (group.isPromised && !continues) {
      throw new Error('a recovery is promised, and the log of this node does not lead up to it');
    }
    if (index < group.applied && !continues) {
      throw new Error(`it ends at ${index}, and this node had applied ${group.applied}`);
    }
    if (!continues && index <= raft.lastIndex && raft.commit > index) {
      throw new Error('the log of this node has gone on behind it');
    }
    // Where the log of this node leads up to what it had applied, it shows nothing less than that again.
    group.install(index, state, Math.max(wholeFrom, group.applied));
    if (continues) {
      group.applyCommitted();
    }
    store.touch(group.number);
    group.isInstalling = true;
    try {
      await store.checkpoint();
    } finally {
      group.isInstalling = false;
    }
    if (this.services.isStopped()) {
      return;
    }
    assertWanted(group);
    if (state.generation !== group.generation) {
      throw new Error(`generation ${group.generation} has begun meanwhile`);
    }
    if (!continues) {
      // Another one where the node became another member meanwhile.
      group.raft.restore(index, state.term, state.configuration);
    }
    this.services.wake(group);
  }

  private tellFailed({ number, isGivenUp }: StrongGroup, reason: string): void {
    if (!isGivenUp && this.ticks - (this.told.get(number) ?? -Infinity) >= TELL_EVERY_TICKS) {
      this.told.set(number, this.ticks);
      this.services.logger.warn(`The snapshot of partition ${number} was not fetched: ${reason}`);
    }
  }

  private ended(group: StrongGroup): void {
    this.fetching.delete(group.number);
    this.services.wake(group);
  }
}

/**
 * Whose records a group of this node takes over: its leader's, or in turn those of all others where nobody leads, since
 * perhaps nobody has the log for it but the one that lacks the records.
 *
 * Not by ticks: a fetch that comes to nothing takes a fixed number of them, and would meet the same one each time.
 */
export function snapshotSource(
  { raft, list, fetches }: StrongGroup,
  directory: PeerDirectory,
): MemberId | undefined {
  const { leader } = raft;
  if (leader !== undefined) {
    return directory.isAlive(leader) ? leader : undefined;
  }
  for (let at = 0; at < list.length; at++) {
    const from = memberNow(list[(fetches + at) % list.length]!, directory);
    if (from !== undefined) {
      return from;
    }
  }
  return undefined;
}

/** Keys and values, as the store counts usage. */
function payloadOf(records: Page['records']): number {
  return records.reduce((sum, { key, record }) => sum + Buffer.byteLength(key) + record.value.length, 0);
}

function bytesOfPage(records: Page['records']): number {
  let bytes = BESIDE_BYTES;
  for (const { namespace, key, record } of records) {
    bytes += namespace.length + key.length + record.value.length + BESIDE_BYTES;
  }
  return bytes;
}

/** @throws Error for one that was given up meanwhile */
function assertWanted({ isGivenUp }: StrongGroup): void {
  if (isGivenUp) {
    throw new Error('this node has no part in it any more');
  }
}

const NO_BYTES = new Uint8Array(0);
