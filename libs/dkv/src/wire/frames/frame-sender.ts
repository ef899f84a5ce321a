/** Puts the frames of one turn of the event loop into one message, and large ones between small ones. */
import { CHUNK_BYTES, FRAME_FORMAT, MESSAGE_BYTES, UNFLUSHED_BYTES_MAX } from './frame-layout.js';
import { chunkHead, originBytes, type Origin, type Outgoing } from './outgoing.js';

/** Runs a task when this turn of the event loop has done its work. */
export type Defer = (task: () => void) => void;

/** The check phase: after everything that was read in this turn, and what it led to. */
export const afterThisTurn: Defer = (task) => void setImmediate(task);

export interface MessageSink {
  /** Takes a whole message; `flushed` is called once, when the network has taken it or never will. */
  send(message: Buffer, flushed: () => void): void;
}

const FORMAT_BYTES = Buffer.of(FRAME_FORMAT);

/**
 * Until `open` everything waits; after `close` nothing is kept. What waits can be taken back: it was not sent. Urgent
 * frames go first; of large ones each message has one chunk, in turn, so that neither sort starves the other.
 */
export class FrameSender {
  private readonly urgent = new OutgoingQueue();
  private readonly small = new OutgoingQueue();
  private readonly large = new Set<Outgoing>();
  private sink: MessageSink | undefined;
  private closed = false;
  private scheduled = false;
  private queuedBytes = 0;
  private unflushedBytes = 0;
  private lastOrigin: Origin | undefined;
  private lastOriginBytes: Buffer | undefined;

  /** `flushed` is told whenever the network took some. */
  constructor(
    private readonly defer: Defer,
    private readonly flushed: () => void = () => undefined,
  ) {}

  /** Bytes that wait here or in the socket. */
  get unsentBytes(): number {
    return this.queuedBytes + this.unflushedBytes;
  }

  open(sink: MessageSink): void {
    this.sink = sink;
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.urgent.clear();
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

  /** What has not left whole leaves no more. Whether any of it did leave is `sentBytes`. Of what was added, once. */
  remove(outgoing: Outgoing): void {
    if (this.closed || outgoing.sent) {
      return;
    }
    this.queuedBytes -= outgoing.bytes.length - outgoing.sentBytes;
    if (outgoing.large) {
      this.large.delete(outgoing);
    } else {
      this.urgent.remove(outgoing);
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

  private schedule(): void {
    if (!this.scheduled && this.sink && !this.closed) {
      this.scheduled = true;
      this.defer(() => {
        this.scheduled = false;
        this.flush();
      });
    }
  }

  private flush(): void {
    while (!this.closed && this.queuedBytes > 0 && this.unflushedBytes < UNFLUSHED_BYTES_MAX) {
      const message = this.nextMessage();
      this.unflushedBytes += message.length;
      this.sink!.send(message, () => {
        this.unflushedBytes -= message.length;
        if (this.queuedBytes > 0) {
          this.schedule();
        }
        this.flushed();
      });
    }
  }

  private nextMessage(): Buffer {
    const parts = new MessageParts((origin) => this.bytesOf(origin));
    this.takeWhole(this.urgent, parts);
    this.takeWhole(this.small, parts);
    do {
      this.takeChunk(parts);
    } while (this.large.size > 0 && parts.bytes < MESSAGE_BYTES);
    return parts.join();
  }

  private takeWhole(queue: OutgoingQueue, parts: MessageParts): void {
    while (parts.bytes < MESSAGE_BYTES) {
      const outgoing = queue.take();
      if (!outgoing) {
        return;
      }
      parts.push(outgoing.origin, outgoing.bytes);
      outgoing.sent = true;
      outgoing.sentBytes = outgoing.bytes.length;
      this.queuedBytes -= outgoing.bytes.length;
    }
  }

  private takeChunk(parts: MessageParts): void {
    const [next] = this.large;
    if (!next) {
      return;
    }
    const chunk = next.bytes.subarray(next.sentBytes, next.sentBytes + CHUNK_BYTES);
    parts.push(next.origin, chunkHead(next, chunk.length));
    parts.push(undefined, chunk);
    next.sentBytes += chunk.length;
    this.queuedBytes -= chunk.length;
    this.large.delete(next);
    if (next.sentBytes < next.bytes.length) {
      this.large.add(next);
    } else {
      next.sent = true;
    }
  }

  private bytesOf(origin: Origin): Buffer {
    if (!this.lastOriginBytes || !isSame(this.lastOrigin, origin)) {
      this.lastOrigin = origin;
      this.lastOriginBytes = originBytes(origin);
    }
    return this.lastOriginBytes;
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
    while (this.at < this.waiting.length) {
      const outgoing = this.waiting[this.at++]!;
      if (this.removed.size === 0 || !this.removed.delete(outgoing)) {
        return outgoing;
      }
    }
    this.clear();
    return undefined;
  }

  /** Also of one that is not here, which is forgotten again when the last has left. */
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

class MessageParts {
  private readonly parts: Buffer[] = [FORMAT_BYTES];
  private origin: Origin | undefined;
  bytes = FORMAT_BYTES.length;

  constructor(private readonly bytesOf: (origin: Origin) => Buffer) {}

  push(origin: Origin | undefined, bytes: Buffer): void {
    if (origin && !isSame(this.origin, origin)) {
      this.origin = origin;
      this.add(this.bytesOf(origin));
    }
    this.add(bytes);
  }

  join(): Buffer {
    return Buffer.concat(this.parts, this.bytes);
  }

  private add(bytes: Buffer): void {
    this.parts.push(bytes);
    this.bytes += bytes.length;
  }
}

function isSame(a: Origin | undefined, b: Origin): boolean {
  return a === b || (a !== undefined && a.from === b.from && a.configuration === b.configuration);
}
