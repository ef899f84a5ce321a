/** Takes messages apart: whole requests and answers, and large ones out of their chunks. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../model/peer-protocol.js';
import { ByteReader, malformed } from './byte-reader.js';
import {
  CHUNK_BYTES,
  CONFIGURATION_LENGTH_MAX,
  ERROR_CODE_LENGTH_MAX,
  ERROR_TEXT_LENGTH_MAX,
  FRAME,
  FRAME_FORMAT,
} from './frame-layout.js';
import { readNodeId } from './field-codec.js';
import { KnownTexts } from '../../model/known-texts.js';
import { ANSWERS, ASKS, kindOf } from './message-codec.js';
import { type Origin } from './outgoing.js';

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
  /** Absent: this side takes none. */
  failed?(id: number, code: string, message: string): void;
  cancelled?(id: number): void;
  goodbye?(): void;
}

const configurations = new KnownTexts();

/** One side of a connection. Keeps no more memory than it was sent, twice at most. */
export class FrameReceiver {
  private readonly assemblies = new Map<number, Assembly>();
  private readonly messages: Buffer[] = [];
  /** Of the message of which a part was handed on. */
  private reader: ByteReader | undefined;
  private origin: Origin | undefined;
  private lastOrigin: Origin | undefined;

  constructor(private readonly handler: FrameHandler) {}

  /** Hands everything in `message` to the handler. @throws DkvError as `handOn` */
  receive(message: Buffer): void {
    this.take(message);
    this.handOn(Infinity);
  }

  /** Keeps `message` until it is handed on. */
  take(message: Buffer): void {
    this.messages.push(message);
  }

  /**
   * Hands up to `framesMax` frames of what was taken to the handler, up to what is wrong; whether some are left.
   * @throws DkvError `DKV_PROTOCOL`: the connection must be closed.
   */
  handOn(framesMax: number): boolean {
    let frames = 0;
    let from = this.reader;
    this.reader = undefined;
    while (from || this.messages.length > 0) {
      from ??= this.begin(this.messages.shift()!);
      while (from.left > 0) {
        if (frames === framesMax) {
          this.reader = from;
          return true;
        }
        frames++;
        this.readFrame(from);
      }
      from = undefined;
    }
    return false;
  }

  /** Forgets the chunks of a request or an answer that nobody waits for; those that follow are dropped. */
  drop(id: number): void {
    this.assemblies.delete(id);
  }

  private begin(message: Buffer): ByteReader {
    const from = new ByteReader(message);
    const format = from.byte();
    if (format !== FRAME_FORMAT) {
      throw malformed(`it has format ${format}, and this node speaks ${FRAME_FORMAT}`);
    }
    this.origin = undefined;
    return from;
  }

  private readFrame(from: ByteReader): void {
    const type = from.byte();
    if (type === FRAME.ORIGIN) {
      this.origin = this.readOrigin(from);
    } else if (type === this.handler.takes) {
      this.readWhole(from, assertOrigin(this.origin));
    } else if (type === FRAME.BEGIN) {
      this.readBegin(from, assertOrigin(this.origin));
    } else {
      this.readOther(type, from);
    }
  }

  private readOrigin(from: ByteReader): Origin {
    const nodeId = readNodeId(from);
    const configuration = from.knownText(configurations, 3 * CONFIGURATION_LENGTH_MAX, (text) => text);
    // Kept, so that what is kept of many messages shares its texts.
    if (this.lastOrigin?.from !== nodeId || this.lastOrigin.configuration !== configuration) {
      this.lastOrigin = { from: nodeId, configuration };
    }
    return this.lastOrigin;
  }

  private readWhole(from: ByteReader, origin: Origin): void {
    const id = from.count();
    const kind = from.byte();
    const body = from.part(CHUNK_BYTES);
    this.handler.incoming({ id, kind, origin, body, bytes: body.left });
  }

  private readBegin(from: ByteReader, origin: Origin): void {
    const id = from.count();
    const kind = from.byte();
    const totalBytes = from.count();
    const chunk = from.block(CHUNK_BYTES);
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
    const chunk = from.block(CHUNK_BYTES);
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
    if (type === FRAME.CHUNK) {
      this.readChunk(from);
    } else if (type === FRAME.ERROR && handler.failed) {
      const id = from.count();
      handler.failed(id, from.ascii(ERROR_CODE_LENGTH_MAX), from.text(3 * ERROR_TEXT_LENGTH_MAX));
    } else if (type === FRAME.CANCEL && handler.cancelled) {
      const id = from.count();
      this.drop(id);
      handler.cancelled(id);
    } else if (type === FRAME.GOODBYE && handler.goodbye) {
      handler.goodbye();
    } else {
      throw malformed(`a frame has type ${type}`);
    }
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
export function decodeRequest({ kind: number, origin, body }: Incoming): PeerRequest {
  const kind = kindOf(number);
  const sentAtMs = body.double();
  const ask = ASKS[kind].read(body, `a message of node ${origin.from}`);
  body.assertEnd();
  return { kind, from: origin.from, configuration: origin.configuration, sentAtMs, ask };
}

/** The answer to a request of `kind`. @throws DkvError `DKV_PROTOCOL`, `DKV_CORRUPT_RECORD` */
export function decodeReply<K extends PeerRequestKind>(kind: K, incoming: Incoming): PeerReply<K> {
  const { origin, body } = incoming;
  if (kindOf(incoming.kind) !== kind) {
    throw malformed(`a ${kind} was answered as a ${kindOf(incoming.kind)}`);
  }
  const sentAtMs = body.double();
  const answer = ANSWERS[kind].read(body, `a message of node ${origin.from}`);
  body.assertEnd();
  return { kind, from: origin.from, configuration: origin.configuration, sentAtMs, answer };
}

function assertOrigin(origin: Origin | undefined): Origin {
  if (!origin) {
    throw malformed('nobody is said to speak');
  }
  return origin;
}
