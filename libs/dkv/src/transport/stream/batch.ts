/** The frames of one turn as one write: small ones copied into one piece of memory, large ones as they are. */
import { Buffer } from 'node:buffer';
import { type Socket } from 'node:net';
import { BATCH_BYTES, COPIED_BYTES_MAX, FRAME, HEAD_BYTES } from './frame-layout.js';

/** A batch and one more small frame, with what may come beside them; what does not fit is sent as it is. */
const MEMORY_BYTES = BATCH_BYTES + 32 * 1024;

export interface FrameSink {
  /**
   * Takes frames, whose memory is its own until it has called `flushed`, once, when the network has taken them or never
   * will (`failed`).
   */
  send(parts: readonly Uint8Array[], flushed: (failed?: Error | null) => void): void;
}

/** Gives batches to a socket, each as one write. */
export function socketSink(socket: Socket): FrameSink {
  return {
    send(parts, flushed) {
      const last = parts.length - 1;
      if (last > 0) {
        socket.cork();
      }
      for (let i = 0; i < last; i++) {
        socket.write(parts[i]!);
      }
      socket.write(parts[last]!, flushed);
      if (last > 0) {
        socket.uncork();
      }
    },
  };
}

/** Is used again once the network has taken what it held. */
export class Batch {
  bytes = 0;
  /** What small frames are copied into. */
  private readonly memory = Buffer.allocUnsafeSlow(MEMORY_BYTES);
  private at = 0;
  /** Of what was copied and is in no part yet. */
  private start = 0;
  private done: Uint8Array[] = [];
  /** For the socket: one for all uses, since most writes are one small frame, and a closure each would be garbage. */
  readonly flushed: (failed?: Error | null) => void;

  constructor(flushed: (batch: Batch, failed: boolean) => void) {
    this.flushed = (failed) => flushed(this, failed != null);
  }

  /** Forgets what it held. */
  clear(): void {
    this.bytes = 0;
    this.at = 0;
    this.start = 0;
    if (this.done.length > 0) {
      this.done = [];
    }
  }

  add(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (bytes.length <= COPIED_BYTES_MAX && this.at + bytes.length <= MEMORY_BYTES) {
      this.memory.set(bytes, this.at);
      this.at += bytes.length;
    } else {
      this.endPart();
      this.done.push(bytes);
    }
  }

  /** Adds a one-way frame: the one head and the one copy that it costs. */
  post(frame: Uint8Array): void {
    if (this.at + HEAD_BYTES > MEMORY_BYTES) {
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt32BE(frame.length, 0);
      head[4] = FRAME.POST;
      this.add(head);
    } else {
      this.memory.writeUInt32BE(frame.length, this.at);
      this.memory[this.at + 4] = FRAME.POST;
      this.at += HEAD_BYTES;
      this.bytes += HEAD_BYTES;
    }
    this.add(frame);
  }

  /** Everything that was added, in order. */
  parts(): readonly Uint8Array[] {
    if (this.done.length === 0) {
      return [this.memory.subarray(0, this.at)];
    }
    this.endPart();
    return this.done;
  }

  private endPart(): void {
    if (this.at > this.start) {
      this.done.push(this.memory.subarray(this.start, this.at));
      this.start = this.at;
    }
  }
}
