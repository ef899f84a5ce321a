/** Takes streams apart: whole requests and answers, large ones out of their chunks, one-way frames as they lie. */
import { Buffer } from 'node:buffer';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../model/peer-protocol.js';
import { ByteReader, malformed } from '../../model/byte-reader.js';
import { kindOf } from '../messages/message-codec.js';
import { type Origin, readAnswer, readAsk, readOrigin } from '../messages/peer-codec.js';
import { otherSpeaker } from '../tls/bound-names.js';
import { CHUNK_BYTES, ERROR_CODE_LENGTH_MAX, ERROR_TEXT_LENGTH_MAX, FRAME } from './frame-layout.js';
import { FrameSplitter } from './frame-splitter.js';

/** A request or an answer that has come in whole; its fields are not looked at yet. */
export interface Incoming {
  readonly id: number;
  readonly kind: number;
  readonly origin: Origin;
  readonly body: ByteReader;
  readonly bytes: number;
}

export interface FrameHandler {
  /** The type of whole frames that this side takes. */
  readonly takes: typeof FRAME.REQUEST | typeof FRAME.ANSWER;
  /** Whether a large one may come in, of `totalBytes`; if not, its chunks are dropped. */
  admits(id: number, totalBytes: number): boolean;
  incoming(message: Incoming): void;
  /** The other side asks for a sign of life. Absent: this side gives none. */
  pinged?(): void;
  /** Absent: this side takes none. `frame` is a view that is good during the call alone. */
  posted?(frame: Buffer): void;
  failed?(id: number, code: string, message: string): void;
  cancelled?(id: number): void;
  goodbye?(): void;
}

/** One side of a connection. Keeps no more memory than it was sent, twice at most. */
export class FrameReceiver {
  private readonly assemblies = new Map<number, Assembly>();
  private readonly splitter: FrameSplitter;
  private origin: Origin | undefined;

  /** `postBytesMax`: of a one-way frame. `boundTo`: the only node that may speak here. */
  constructor(
    private readonly handler: FrameHandler,
    postBytesMax = 0,
    private readonly boundTo?: string,
  ) {
    this.splitter = new FrameSplitter(postBytesMax);
  }

  /** Hands everything whole in `chunk` to the handler. @throws DkvError as `handOn` */
  receive(chunk: Buffer): void {
    this.take(chunk);
    this.handOn(Infinity);
  }

  /** Keeps `chunk` until it is handed on. */
  take(chunk: Buffer): void {
    this.splitter.add(chunk);
  }

  /**
   * Hands up to `framesMax` frames of what was taken to the handler, up to what is wrong; whether some are left.
   * @throws DkvError `DKV_PROTOCOL`: the connection must be closed.
   */
  handOn(framesMax: number): boolean {
    const { splitter } = this;
    for (let frames = 0; frames < framesMax; frames++) {
      if (!splitter.next()) {
        return false;
      }
      this.readFrame(splitter);
    }
    return splitter.isLeft;
  }

  /** Forgets the chunks of a request or an answer that nobody waits for; those that follow are dropped. */
  drop(id: number): void {
    this.assemblies.delete(id);
  }

  private readFrame({ type, bytes, start, end }: FrameSplitter): void {
    if (type === FRAME.POST && this.handler.posted) {
      this.handler.posted(bytes.subarray(start, end));
      return;
    }
    const from = new ByteReader(bytes, start, end);
    if (type === this.handler.takes) {
      this.readWhole(from);
    } else if (type === FRAME.ORIGIN) {
      this.takeOrigin(readOrigin(from));
    } else if (type === FRAME.BEGIN) {
      this.readBegin(from);
    } else if (type === FRAME.CHUNK) {
      this.readChunk(from);
    } else {
      this.readOther(type, from);
      from.assertEnd();
    }
  }

  private takeOrigin(origin: Origin): void {
    if (this.boundTo !== undefined && origin.from !== this.boundTo) {
      throw otherSpeaker(origin.from);
    }
    // Kept if it is the same, so that what is kept of many messages shares its texts.
    if (this.origin?.from !== origin.from || this.origin.configuration !== origin.configuration) {
      this.origin = origin;
    }
  }

  private readWhole(from: ByteReader): void {
    const id = from.count();
    const kind = from.byte();
    this.handler.incoming({ id, kind, origin: this.speaker(), body: from, bytes: from.left });
  }

  private readBegin(from: ByteReader): void {
    const id = from.count();
    const kind = from.byte();
    const totalBytes = from.count();
    const chunk = from.rest();
    const origin = this.speaker();
    if (totalBytes <= CHUNK_BYTES || chunk.length !== CHUNK_BYTES) {
      throw malformed('what fits one frame came in chunks');
    }
    if (this.assemblies.has(id)) {
      throw malformed(`number ${id} began twice`);
    }
    if (this.handler.admits(id, totalBytes)) {
      const assembly = new Assembly(kind, origin, totalBytes);
      assembly.add(chunk);
      this.assemblies.set(id, assembly);
    }
  }

  private readChunk(from: ByteReader): void {
    const id = from.count();
    const chunk = from.rest();
    const assembly = this.assemblies.get(id);
    if (!assembly) {
      return;
    }
    const { kind, origin, totalBytes } = assembly;
    const body = assembly.add(chunk);
    if (body) {
      this.assemblies.delete(id);
      this.handler.incoming({ id, kind, origin, body: new ByteReader(body), bytes: totalBytes });
    }
  }

  private readOther(type: number, from: ByteReader): void {
    const { handler } = this;
    if (type === FRAME.ERROR && handler.failed) {
      const id = from.count();
      handler.failed(id, from.ascii(ERROR_CODE_LENGTH_MAX), from.text(3 * ERROR_TEXT_LENGTH_MAX));
    } else if (type === FRAME.CANCEL && handler.cancelled) {
      const id = from.count();
      this.drop(id);
      handler.cancelled(id);
    } else if (type === FRAME.GOODBYE && handler.goodbye) {
      handler.goodbye();
    } else if (type === FRAME.PING) {
      handler.pinged?.();
    } else if (type !== FRAME.PONG) {
      throw malformed(`a frame has type ${type}`);
    }
  }

  private speaker(): Origin {
    if (!this.origin) {
      throw malformed('nobody is said to speak');
    }
    return this.origin;
  }
}

/** A large request or answer, as far as it has come in. */
class Assembly {
  private bytes = Buffer.alloc(0);
  private received = 0;

  constructor(
    readonly kind: number,
    readonly origin: Origin,
    readonly totalBytes: number,
  ) {}

  /** All of it with the last chunk; undefined before. */
  add(chunk: Buffer): Buffer | undefined {
    const { received, totalBytes } = this;
    if (chunk.length !== Math.min(CHUNK_BYTES, totalBytes - received)) {
      throw malformed(`a chunk has ${chunk.length} bytes`);
    }
    this.received += chunk.length;
    if (this.received > this.bytes.length) {
      // Never more than twice what came in, whatever was announced.
      const grown = Buffer.allocUnsafeSlow(Math.min(totalBytes, 2 * this.received));
      this.bytes.copy(grown, 0, 0, received);
      this.bytes = grown;
    }
    chunk.copy(this.bytes, received);
    return this.received === totalBytes ? this.bytes : undefined;
  }
}

/** @throws DkvError `DKV_PROTOCOL`, `DKV_CORRUPT_RECORD` */
export function decodeRequest({ kind, origin, body }: Incoming): PeerRequest {
  return readAsk(kindOf(kind), origin, body);
}

/** The answer to a request of `kind`. @throws DkvError `DKV_PROTOCOL`, `DKV_CORRUPT_RECORD` */
export function decodeReply<K extends PeerRequestKind>(kind: K, incoming: Incoming): PeerReply<K> {
  if (kindOf(incoming.kind) !== kind) {
    throw malformed(`a ${kind} was answered as a ${kindOf(incoming.kind)}`);
  }
  return readAnswer(kind, incoming.origin, incoming.body);
}
