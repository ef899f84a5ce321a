/** Which keys have an open round, and the durable lists that say so. */
import { DkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
import { OPEN_ROUNDS_RANGE, openRoundsKey, openRoundsNumberIn } from './disk-keys.js';
import { type HotKey, type HotKeys } from './hot-keys.js';
import { decodeNames, encodeNames } from './name-list-layout.js';
import { type BatchDraft, type BatchPart, type OpenStore } from './open-store.js';

/** Keys with an open round. Each is settled within milliseconds; this many wait only when proposers died in masses. */
const OPEN_MAX = 100_000;
/** A list of which no more than this share is open is given up for the newest one. */
const SPARSE = 1 / 4;

/** The keys whose rounds one batch opened, in one value of the store. */
export interface OpenList {
  readonly number: number;
  /** How many it names on the disk: also those that are not open any more, which nothing has to take out. */
  readonly named: number;
  readonly open: Set<HotKey>;
}

/**
 * A mark for each key would be a put when its round opens and a delete when it is settled, a third of what a write
 * costs the store. A list is one put for a batch, and one delete when most of its rounds are settled, the others going
 * over to a newer list. So it may name keys that are not open any more: a start looks at each of them.
 */
export class OpenRounds implements BatchPart {
  private readonly lists = new Map<number, OpenList>();
  private newest = 0;
  private count = 0;
  /** Of the batch that is being made. */
  private opening: HotKey[] = [];
  private closing: HotKey[] = [];
  /** Lists that go with the next batch: nothing in them is open. */
  private spent: OpenList[] = [];
  private made: OpenList | undefined;

  constructor(
    private readonly keys: HotKeys,
    /** The folder, for messages. */
    private readonly where: string,
  ) {}

  /**
   * Reads the lists of a store that is about to open, and asks which of the keys that they name are open still.
   * @throws DkvError `DKV_CORRUPT_RECORD`
   */
  async load(store: OpenStore, openAmong: (ids: RecordId[]) => Promise<RecordId[]>): Promise<void> {
    this.clear();
    for await (const { key, value } of store.entries(OPEN_ROUNDS_RANGE)) {
      const ids = decodeNames(value, this.where);
      const list = { number: openRoundsNumberIn(key), named: ids.length, open: new Set<HotKey>() };
      this.lists.set(list.number, list);
      this.newest = list.number;
      for (const id of await openAmong(ids)) {
        this.enter(this.keys.take(id), list);
      }
    }
    this.spent = [...this.lists.values()].filter(({ open }) => open.size === 0);
  }

  clear(): void {
    this.lists.clear();
    this.newest = 0;
    this.count = 0;
    this.forgetBatch();
  }

  /** The oldest first. */
  *ids(): Generator<RecordId> {
    for (const { open } of this.lists.values()) {
      for (const { partition, namespace, key } of open) {
        yield { partition, namespace, key };
      }
    }
  }

  /** @throws DkvError `DKV_OVERLOADED` */
  assertRoom(): void {
    if (this.count >= OPEN_MAX) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.count} keys of ${this.where} have writes of unknown outcome. Try again later.`,
      );
    }
  }

  /** To be called while a batch is made that opens the round of `key`, which is held. */
  open(draft: BatchDraft, key: HotKey): void {
    this.opening.push(key);
    draft.join(this);
  }

  /** To be called while a batch is made that ends the open round of `key`, which is held. */
  close(draft: BatchDraft, key: HotKey): void {
    this.closing.push(key);
    draft.join(this);
  }

  addTo(draft: BatchDraft): void {
    const left = new Map<OpenList, number>();
    for (const { openIn } of this.closing) {
      left.set(openIn!, (left.get(openIn!) ?? openIn!.open.size) - 1);
    }
    const named = [...this.opening];
    const isClosing = new Set(this.closing);
    for (const [list, open] of left) {
      if (open <= SPARSE * list.named) {
        this.spent.push(list);
        for (const key of list.open) {
          if (!isClosing.has(key)) {
            named.push(key);
          }
        }
      }
    }
    for (const { number } of this.spent) {
      draft.delete(openRoundsKey(number));
    }
    if (named.length > 0) {
      const number = this.newest + 1;
      this.made = { number, named: named.length, open: new Set(named) };
      draft.put(openRoundsKey(number), encodeNames(named));
    }
  }

  committed(): void {
    for (const key of this.closing) {
      key.openIn!.open.delete(key);
      key.openIn = undefined;
    }
    for (const { number } of this.spent) {
      this.lists.delete(number);
    }
    if (this.made) {
      for (const key of this.made.open) {
        key.openIn = this.made;
      }
      this.newest = this.made.number;
      this.lists.set(this.newest, this.made);
    }
    this.count += this.opening.length - this.closing.length;
    this.forgetBatch();
  }

  /** A key is in one list only: the newest that names it. */
  private enter(key: HotKey, list: OpenList): void {
    if (key.openIn) {
      key.openIn.open.delete(key);
    } else {
      this.count++;
    }
    key.openIn = list;
    list.open.add(key);
  }

  private forgetBatch(): void {
    this.opening = [];
    this.closing = [];
    this.spent = [];
    this.made = undefined;
  }
}
