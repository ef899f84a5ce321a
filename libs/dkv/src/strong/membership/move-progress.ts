/** How far partitions that move are: what each node counts of its own part, told to all others, so that any of them can answer. */
import { configurationPlacesToMove } from '../../cluster/configuration-report.js';
import { type ClusterView } from '../../cluster/cluster-view.js';
import { partitionAt, placeOf } from '../../cluster/partition-lists.js';
import { type ClusterConfiguration, keepsConfiguration, type Move } from '../../model/membership.js';
import { type MoveBytes, type MovesProgress } from '../../model/moves-report.js';
import { type CopyingMessage, type GroupBytes } from '../../model/node-messages.js';
import { type Clock } from '../../ports/clock.js';
import { type Logger } from '../../ports/logger.js';
import { type StrongStore } from '../../ports/strong-store.js';
import { type GroupList } from '../group-list.js';
import { type Snapshots } from '../snapshots.js';

const TELL_EVERY_TICKS = 10;
/** What has not changed is told again then, to who was not there. */
const REPEAT_EVERY_TICKS = 50;
const LOG_EVERY_TICKS = 100;
/** Samples of what was received, one at each telling: the rate is that between the first and the last. */
const SAMPLES_MAX = 10;
const NOTHING: MoveBytes = Object.freeze({ bytesCopied: 0, bytesToCopy: 0 });

export interface MoveProgressServices {
  readonly view: ClusterView;
  readonly groups: GroupList;
  readonly store: Pick<StrongStore, 'bytesOf'>;
  readonly snapshots: Pick<Snapshots, 'copiedOf' | 'receivedBytes'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether this node plans, and so says how far it is. */
  readonly isPlanner: () => boolean;
  say(nodeId: string, message: CopyingMessage): void;
}

/** Bytes are those of keys and values, as the store counts them. Of moves that began before this node did, it knows what is left. */
export class MoveProgress {
  private ticks = 0;
  private configuration: ClusterConfiguration;
  /** By node, as it said last: of members, and of this node itself. */
  private readonly told = new Map<string, CopyingMessage>();
  private done = 0;
  private doneBytes = 0;
  /** Since this node began to count, by all nodes. */
  private receivedBytes = 0;
  /** A group that this node leads has begun to move: its size is told at once, since it may have arrived soon. */
  private hasBegun = false;
  private samples: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(private readonly services: MoveProgressServices) {
    this.configuration = services.view.agreed;
    services.view.onConfiguration(() => this.follow());
  }

  /** Once a heartbeat interval. */
  tick(): void {
    this.ticks++;
    const isDue = this.ticks % TELL_EVERY_TICKS === 0;
    if (!this.isMoving || !(isDue || this.hasBegun)) {
      return;
    }
    const { view, clock, isPlanner, logger } = this.services;
    const own = this.own();
    this.hasBegun = false;
    if (this.ticks % REPEAT_EVERY_TICKS === 0 || !isSame(own, this.told.get(view.selfId))) {
      this.receive(view.selfId, own);
      view.others.forEach(({ nodeId }) => this.services.say(nodeId, own));
    }
    if (!isDue) {
      return;
    }
    this.samples.push({ atMs: clock.monotonic(), bytes: this.receivedBytes });
    this.samples.splice(0, this.samples.length - SAMPLES_MAX);
    if (isPlanner() && this.ticks % LOG_EVERY_TICKS === 0) {
      logger.log(`Partitions move: ${textOf(this.whole)}.`);
    }
  }

  receive(nodeId: string, message: CopyingMessage): void {
    if (this.services.view.knows(nodeId)) {
      const before = this.told.get(nodeId)?.receivedBytes ?? message.receivedBytes;
      // A process that was started again counts from nothing.
      this.receivedBytes += Math.max(0, message.receivedBytes - before);
      this.told.set(nodeId, message);
    }
  }

  /** Of one list that moves. */
  of(place: number): MoveBytes {
    const group = partitionAt(this.configuration, place);
    const sizes = this.heard().flatMap((told) => told.sizes.filter((one) => one.group === group));
    // Of two that say that they lead a group, one does not know better yet.
    const size = sizes.at(-1);
    return size ? this.copiesOf(group, size.bytes) : NOTHING;
  }

  get whole(): MovesProgress {
    const { moving } = this.configuration;
    let bytesCopied = this.doneBytes;
    let bytesLeft = 0;
    for (const { place } of moving) {
      const one = this.of(place);
      bytesCopied += one.bytesCopied;
      bytesLeft += one.bytesToCopy - one.bytesCopied;
    }
    for (const { waitingBytes } of this.heard()) {
      bytesLeft += waitingBytes;
    }
    const bytesPerSecond = this.isMoving ? this.rate : 0;
    return {
      partitionsDone: this.done,
      partitionsTotal: this.done + configurationPlacesToMove(this.configuration).length,
      bytesCopied,
      bytesTotal: bytesCopied + bytesLeft,
      bytesPerSecond,
      ...(bytesPerSecond > 0 && { secondsLeft: Math.ceil(bytesLeft / bytesPerSecond) }),
    };
  }

  /** What nodes have said that are not down: what those led is led by others. */
  private heard(): readonly CopyingMessage[] {
    const { view } = this.services;
    return [...this.told].filter(([nodeId]) => view.stateOf(nodeId) !== 'down').map(([, message]) => message);
  }

  private leads(place: number): boolean {
    const group = partitionAt(this.configuration, place);
    return !keepsConfiguration(group) && this.services.groups.get(group)?.leads === true;
  }

  private get isMoving(): boolean {
    return configurationPlacesToMove(this.configuration).length > 0;
  }

  private get rate(): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    const ms = first && last ? last.atMs - first.atMs : 0;
    return ms > 0 ? Math.round((1000 * (last!.bytes - first!.bytes)) / ms) : 0;
  }

  /** What this node leads of what moves or waits to, and what it fetches. */
  private own(): CopyingMessage {
    const { view, groups, store, snapshots } = this.services;
    const { lists, target } = this.configuration;
    const sizes: GroupBytes[] = [];
    const copied: GroupBytes[] = [];
    let waitingBytes = 0;
    for (const { number: group, leads } of groups.values()) {
      const place = placeOf(this.configuration, group);
      if (keepsConfiguration(group) || lists[place] === target[place]) {
        continue;
      }
      const isUnderWay = view.sinceOf(group) > 0;
      if (leads && isUnderWay) {
        sizes.push({ group, bytes: store.bytesOf(group) });
      } else if (leads) {
        waitingBytes += store.bytesOf(group) * this.takersOf(group).length;
      }
      if (isUnderWay && this.takersOf(group).includes(view.selfId)) {
        copied.push({ group, bytes: snapshots.copiedOf(group) ?? 0 });
      }
    }
    return { kind: 'copying', receivedBytes: snapshots.receivedBytes, waitingBytes, sizes, copied };
  }

  /** @param bytes of one copy */
  private copiesOf(group: number, bytes: number): MoveBytes {
    const takers = this.takersOf(group);
    let bytesCopied = 0;
    for (const nodeId of takers) {
      const copied = this.told.get(nodeId)?.copied.find((one) => one.group === group)?.bytes ?? 0;
      bytesCopied += Math.min(bytes, copied);
    }
    return { bytesCopied, bytesToCopy: bytes * takers.length };
  }

  /** The nodes that are to have a copy of the group, and have none yet. */
  private takersOf(group: number): readonly string[] {
    const { lists, target } = this.configuration;
    const place = placeOf(this.configuration, group);
    return (target[place] ?? []).filter((nodeId) => !lists[place]!.includes(nodeId));
  }

  private follow(): void {
    const { view } = this.services;
    const before = this.configuration;
    const sizes = new Map(before.moving.map(({ place }) => [place, this.of(place).bytesToCopy]));
    this.configuration = view.agreed;
    const { lists, target, moving } = this.configuration;
    const stillMoving = new Set(moving.map(({ place }) => place));
    const isNew = ({ place }: Move) => !sizes.has(place) && this.leads(place);
    this.hasBegun ||= moving.some(isNew);
    for (const [place, bytes] of sizes) {
      if (!stillMoving.has(place) && lists[place] === target[place]) {
        this.done++;
        this.doneBytes += bytes;
      }
    }
    if (!this.isMoving) {
      this.told.clear();
      this.samples = [];
    } else if (configurationPlacesToMove(before).length === 0) {
      this.done = 0;
      this.doneBytes = 0;
    }
    for (const nodeId of this.told.keys()) {
      if (!view.knows(nodeId)) {
        this.told.delete(nodeId);
      }
    }
  }
}

function isSame(one: CopyingMessage, other: CopyingMessage | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function textOf({
  partitionsDone,
  partitionsTotal,
  bytesCopied,
  bytesTotal,
  ...rate
}: MovesProgress): string {
  const left = rate.secondsLeft === undefined ? '' : `, about ${rate.secondsLeft} s left`;
  return (
    `${partitionsDone} of ${partitionsTotal} have arrived, ${mebibytes(bytesCopied)} of ${mebibytes(bytesTotal)} MiB are copied, ` +
    `${mebibytes(rate.bytesPerSecond)} MiB/s${left}`
  );
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
