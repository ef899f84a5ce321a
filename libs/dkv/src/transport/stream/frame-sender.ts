/** Puts the frames of one turn of the event loop into one write, and large ones between small ones. */
import { type Origin } from '../messages/peer-codec.js';
import { Batch, type FrameSink } from './batch.js';
import { BATCH_BYTES, CHUNK_BYTES, HEAD_BYTES, UNFLUSHED_BYTES_MAX } from './frame-layout.js';
import { chunkHead, originBytes, type Outgoing } from './outgoing.js';

/** Runs a task when this turn of the event loop has done its work. */
export type Defer = (task: () => void) => void;

/** The check phase: after everything that was read in this turn, and what it led to. */
export const afterThisTurn: Defer = (task) => void setImmediate(task);

/** A queue that is never empty forgets what was taken from it when it is more than that. */
const TAKEN_MAX = 1024;

/**
 * Until `open` everything waits; after `close` nothing is kept. What waits can be taken back: it was not sent. Urgent
 * frames go first, then posted ones; of small ones each batch has room for some, and of large ones for a chunk, in turn,
 * so that no sort starves another.
 */
export class FrameSender {
  private readonly urgent = new OutgoingQueue();
  private readonly posts = new PostQueue();
  private readonly small = new OutgoingQueue();
  private readonly large = new Set<Outgoing>();
  private sink: FrameSink | undefined;
  private closed = false;
  private scheduled = false;
  /** Of everything but posts. */
  private queuedBytes = 0;
  private unflushedBytes = 0;
  /** Who the other side takes for the speaker. */
  private origin: Origin | undefined;
  /** One that the network has taken: while one is on its way, another is filled. */
  private spare: Batch | undefined;

  /** `flushed` is told whenever the network took some. */
  constructor(
    private readonly defer: Defer,
    private readonly flushed: () => void = () => undefined,
  ) {}

  /** Bytes that wait here or in the socket. */
  get unsentBytes(): number {
    return this.queuedBytes + this.posts.bytes + this.unflushedBytes;
  }

  open(sink: FrameSink): void {
    this.sink = sink;
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.urgent.clear();
    this.posts.clear();
    this.small.clear();
    this.large.clear();
    this.queuedBytes = 0;
  }

  add(outgoing: Outgoing, urgent = false): void {
    if (this.closed) {
      return;
    }
    if (outgoing.large) {
      this.large.add(outgoing);
    } else {
      (urgent ? this.urgent : this.small).add(outgoing);
    }
    this.queuedBytes += outgoing.bytes.length;
    this.schedule();
  }

  /**
   * Sends a one-way frame, in the order of these calls; false, and nothing of it is sent, if nothing is open or if posted
   * frames that wait and the bytes in the socket are `unsentBytesMax` already.
   */
  post(frame: Uint8Array, unsentBytesMax: number): boolean {
    if (this.closed || !this.sink || this.posts.bytes + this.unflushedBytes >= unsentBytesMax) {
      return false;
    }
    // Whoever posts has brought together what the turn had: waiting for its end once more would cost a turn a hop.
    if (!this.hasQueued && this.unflushedBytes < UNFLUSHED_BYTES_MAX) {
      // Nearly always: past the queues, whose upkeep costs as much as all else here.
      const batch = this.emptyBatch();
      batch.post(frame);
      this.sendBatch(batch, this.sink);
      return true;
    }
    this.posts.add(frame);
    this.flush();
    return true;
  }

  /**
   * What has not left whole leaves no more. Whether any of it did leave is `sentBytes`. Of what was added, once; never
   * of what is urgent.
   */
  remove(outgoing: Outgoing): void {
    if (this.closed || outgoing.sent) {
      return;
    }
    this.queuedBytes -= outgoing.bytes.length - outgoing.sentBytes;
    if (outgoing.large) {
      this.large.delete(outgoing);
    } else {
      this.small.remove(outgoing);
    }
  }

  /** The large one of this id that is not sent whole yet. */
  removeLarge(id: number): void {
    for (const outgoing of this.large) {
      if (outgoing.id === id) {
        this.remove(outgoing);
      }
    }
  }

  /** Sends now what waits, as far as the socket may hold it. */
  flush(): void {
    while (!this.closed && this.sink && this.hasQueued && this.unflushedBytes < UNFLUSHED_BYTES_MAX) {
      const batch = this.emptyBatch();
      this.fill(batch);
      this.sendBatch(batch, this.sink);
    }
  }

  private get hasQueued(): boolean {
    return this.queuedBytes > 0 || this.posts.bytes > 0;
  }

  private schedule(): void {
    if (!this.scheduled && this.sink && !this.closed) {
      this.scheduled = true;
      this.defer(this.flushLater);
    }
  }

  private readonly flushLater = (): void => {
    this.scheduled = false;
    this.flush();
  };

  private emptyBatch(): Batch {
    const batch = this.spare ?? new Batch(this.batchFlushed);
    this.spare = undefined;
    return batch;
  }

  private sendBatch(batch: Batch, sink: FrameSink): void {
    this.unflushedBytes += batch.bytes;
    sink.send(batch.parts(), batch.flushed);
  }

  private readonly batchFlushed = (batch: Batch, failed: boolean): void => {
    this.unflushedBytes -= batch.bytes;
    batch.clear();
    if (!failed) {
      this.spare = batch;
    }
    if (this.hasQueued) {
      this.schedule();
    }
    this.flushed();
  };

  private fill(batch: Batch): void {
    this.takeWhole(this.urgent, batch, BATCH_BYTES);
    this.posts.take(batch, BATCH_BYTES);
    this.takeWhole(this.small, batch, Math.max(BATCH_BYTES, batch.bytes + BATCH_BYTES / 2));
    do {
      this.takeChunk(batch);
    } while (this.large.size > 0 && batch.bytes < BATCH_BYTES);
  }

  private takeWhole(queue: OutgoingQueue, batch: Batch, bytesMax: number): void {
    while (batch.bytes < bytesMax) {
      const outgoing = queue.take();
      if (!outgoing) {
        return;
      }
      this.sayWho(outgoing, batch);
      batch.add(outgoing.bytes);
      outgoing.sent = true;
      outgoing.sentBytes = outgoing.bytes.length;
      this.queuedBytes -= outgoing.bytes.length;
    }
  }

  private takeChunk(batch: Batch): void {
    const [next] = this.large;
    if (!next) {
      return;
    }
    const chunk = next.bytes.subarray(next.sentBytes, next.sentBytes + CHUNK_BYTES);
    this.sayWho(next, batch);
    batch.add(chunkHead(next, chunk.length));
    batch.add(chunk);
    next.sentBytes += chunk.length;
    this.queuedBytes -= chunk.length;
    this.large.delete(next);
    if (next.sentBytes < next.bytes.length) {
      this.large.add(next);
    } else {
      next.sent = true;
    }
  }

  private sayWho({ origin }: Outgoing, batch: Batch): void {
    if (origin && !isSame(this.origin, origin)) {
      this.origin = origin;
      batch.add(originBytes(origin));
    }
  }
}

/** One-way frames, first in, first out: taken back by nobody, so that each is one element and nothing else. */
class PostQueue {
  private waiting: Uint8Array[] = [];
  private at = 0;
  /** With their heads. */
  bytes = 0;

  add(frame: Uint8Array): void {
    this.waiting.push(frame);
    this.bytes += HEAD_BYTES + frame.length;
  }

  take(batch: Batch, bytesMax: number): void {
    while (this.at < this.waiting.length && batch.bytes < bytesMax) {
      const frame = this.waiting[this.at++]!;
      batch.post(frame);
      this.bytes -= HEAD_BYTES + frame.length;
    }
    if (this.at === this.waiting.length) {
      this.clear();
    } else if (this.at > TAKEN_MAX) {
      this.waiting = this.waiting.slice(this.at);
      this.at = 0;
    }
  }

  clear(): void {
    this.waiting = [];
    this.at = 0;
    this.bytes = 0;
  }
}

/** First in, first out. An array and not a set: almost all leave from the front, at a fourth of what a set costs. */
class OutgoingQueue {
  private waiting: Outgoing[] = [];
  /** Of the first that is there. */
  private at = 0;
  private readonly removed = new Set<Outgoing>();

  add(outgoing: Outgoing): void {
    this.waiting.push(outgoing);
  }

  take(): Outgoing | undefined {
    if (this.at > TAKEN_MAX && 2 * this.at > this.waiting.length) {
      this.waiting = this.waiting.slice(this.at);
      this.at = 0;
    }
    while (this.at < this.waiting.length) {
      const outgoing = this.waiting[this.at++]!;
      if (this.removed.size === 0 || !this.removed.delete(outgoing)) {
        return outgoing;
      }
    }
    this.clear();
    return undefined;
  }

  /** Of one that is here. */
  remove(outgoing: Outgoing): void {
    this.removed.add(outgoing);
    // So that what nobody wants does not pile up while there is no connection.
    if (2 * this.removed.size > this.waiting.length - this.at) {
      this.waiting = this.waiting.slice(this.at).filter((each) => !this.removed.has(each));
      this.at = 0;
      this.removed.clear();
    }
  }

  clear(): void {
    this.waiting = [];
    this.at = 0;
    this.removed.clear();
  }
}

function isSame(a: Origin | undefined, b: Origin): boolean {
  return a === b || (a !== undefined && a.from === b.from && a.configuration === b.configuration);
}
