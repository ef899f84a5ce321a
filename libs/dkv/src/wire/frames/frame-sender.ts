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
  private readonly urgent = new Set<Outgoing>();
  private readonly small = new Set<Outgoing>();
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
    (outgoing.large ? this.large : urgent ? this.urgent : this.small).add(outgoing);
    this.queuedBytes += outgoing.bytes.length;
    this.schedule();
  }

  /** What has not left whole leaves no more. Whether any of it did leave is `sentBytes`. */
  remove(outgoing: Outgoing): void {
    if (this.small.delete(outgoing) || this.urgent.delete(outgoing) || this.large.delete(outgoing)) {
      this.queuedBytes -= outgoing.bytes.length - outgoing.sentBytes;
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

  private takeWhole(queue: Set<Outgoing>, parts: MessageParts): void {
    for (const outgoing of queue) {
      if (parts.bytes >= MESSAGE_BYTES) {
        return;
      }
      parts.push(outgoing.origin, outgoing.bytes);
      outgoing.sent = true;
      outgoing.sentBytes = outgoing.bytes.length;
      this.queuedBytes -= outgoing.bytes.length;
      queue.delete(outgoing);
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
