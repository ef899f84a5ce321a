/** One peer's stream: its requests and frames go to the Processor, in bounds, and the answers back as they come. */
import { type Socket } from 'node:net';
import { DkvError } from '../../dkv.errors.js';
import { type PeerReply, type PeerRequest } from '../../model/peer-protocol.js';
import { type Clock, type Timer } from '../../ports/clock.js';
import { type PeerService } from '../../ports/controller.js';
import { type Telemetry } from '../../ports/telemetry.js';
import { socketSink } from './batch.js';
import { FrameIntake } from './frame-intake.js';
import { CHUNK_BYTES, FRAME } from './frame-layout.js';
import { decodeRequest, type FrameHandler, FrameReceiver, type Incoming } from './frame-receiver.js';
import { type Defer, FrameSender } from './frame-sender.js';
import { KeepAlive } from './keep-alive.js';
import { KIND_NUMBERS, knownKind } from '../messages/message-codec.js';
import { answerFrame, CONNECTION_ID, errorFrame, type Outgoing, wordFrame } from './outgoing.js';
import { answerOf } from '../http/error-filter.js';
import { type ThrottledLog } from '../throttled-log.js';

export interface SessionSettings {
  readonly peers: PeerService;
  readonly clock: Clock;
  readonly log: ThrottledLog;
  readonly telemetry: Telemetry;
  readonly defer: Defer;
  readonly requestBytesMax: number;
  readonly replyBytesMax: number;
  /** Of a one-way frame. */
  readonly postBytesMax: number;
  /** Of requests that are not answered and of answers that are not sent. */
  readonly underWayBytesMax: number;
  /** Of those the bytes that a session may always have, however much the others have. */
  readonly freeBytes: number;
  /** Whether all sessions together may have more; asked by those that have more than `freeBytes`. */
  readonly isRoomLeft: () => boolean;
  readonly keepAliveMs: number;
  /** Whether all that comes must be of who introduced itself. */
  readonly bindsNodeIds: boolean;
}

/** About what a request costs in memory beside its bytes. */
const REQUEST_COST_BYTES = 1024;
/** Requests of one peer that this node carries out alone, at a time: the answers to more would take the memory. */
const AT_ONCE_MAX = 1024;
/** How long a peer that was told that this node stops has to hang up before this node does. */
const LEAVE_MS = 1000;

/**
 * Past its bound, or that of all sessions, it stops reading until half of it is done: what waits then are requests that this node carries out
 * alone, or answers. Forwarded writes, which wait for other nodes and these perhaps for this one, wait for nothing
 * here and are refused at half the bound instead.
 */
export class StreamSession implements FrameHandler {
  readonly takes = FRAME.REQUEST;
  private readonly sender: FrameSender;
  private readonly intake: FrameIntake;
  private readonly keepAlive: KeepAlive;
  /** Bytes of the large requests that come in, by id. */
  private readonly begun = new Map<number, number>();
  private begunBytes = 0;
  private underWayBytes = 0;
  private forwardBytes = 0;
  /** All that was taken and not answered; of these, what this node carries out alone now, and what waits for that. */
  private underWay = 0;
  private atOnce = 0;
  private waiting: Incoming[] = [];
  private stopping = false;
  private mayHangUp = false;
  private leaveTimer: Timer | undefined;
  private isClosed = false;

  /** `from`: who the peer says that it is. `closed` is called when nothing more can come. */
  constructor(
    private readonly socket: Socket,
    readonly from: string,
    private readonly settings: SessionSettings,
    private readonly closed: () => void,
  ) {
    const { clock, defer, keepAliveMs, postBytesMax, bindsNodeIds } = settings;
    this.sender = new FrameSender(defer, () => this.relieved());
    this.sender.open(socketSink(socket));
    this.intake = new FrameIntake(
      new FrameReceiver(this, postBytesMax, bindsNodeIds ? from : undefined),
      defer,
      {
        pause: () => socket.pause(),
        read: () => this.readIfRoom(),
        broken: (error) => this.breakOff(error as DkvError),
      },
    );
    this.keepAlive = new KeepAlive(clock, keepAliveMs, {
      ping: () => this.sender.add(wordFrame(FRAME.PING), true),
      dead: () => socket.destroy(),
      // Nothing is heard while nothing is read.
      ticked: () => socket.isPaused() && this.keepAlive.heard(),
    });
    socket.on('data', (chunk: Buffer) => this.received(chunk));
    socket.on('end', () => socket.end());
    // What breaks shows as a close.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      // What came in before counts, frames above all: nothing of them is ever sent again.
      this.intake.drain();
      this.ended();
      this.closed();
    });
  }

  /** Takes no more requests, and hangs up when those under way are answered, unless the peer does before. */
  drain(): void {
    this.stopping = true;
    this.sender.add(wordFrame(FRAME.GOODBYE));
    this.leaveTimer = this.settings.clock.schedule(LEAVE_MS, () => {
      this.mayHangUp = true;
      this.hangUpIfDone();
    });
  }

  destroy(): void {
    this.socket.destroy();
  }

  admits(id: number, totalBytes: number): boolean {
    const { requestBytesMax, underWayBytesMax } = this.settings;
    const refusal =
      totalBytes > requestBytesMax
        ? tooLarge(totalBytes, requestBytesMax)
        : !this.mayHold(this.begunBytes + totalBytes, underWayBytesMax)
          ? overloaded(underWayBytesMax)
          : undefined;
    if (refusal) {
      this.sender.add(errorFrame(id, refusal));
      return false;
    }
    this.begun.set(id, totalBytes);
    this.begunBytes += totalBytes;
    return true;
  }

  incoming(message: Incoming): void {
    const { id, kind, bytes } = message;
    this.forget(id, bytes);
    if (this.stopping) {
      this.sender.add(errorFrame(id, new DkvError('DKV_NOT_READY', 'The node is closing.')));
    } else if (kind === KIND_NUMBERS.forward) {
      this.forward(message);
    } else {
      this.underWay++;
      this.underWayBytes += costOf(message);
      if (this.hasRoom) {
        this.carryOut(message);
      } else {
        this.waiting.push(message);
      }
    }
  }

  cancelled(id: number): void {
    this.forget(id, CHUNK_BYTES + 1);
    this.sender.removeLarge(id);
  }

  pinged(): void {
    this.sender.add(wordFrame(FRAME.PONG), true);
  }

  posted(frame: Buffer): void {
    this.settings.telemetry.frame(frame.length);
    try {
      this.settings.peers.receive(this.from, frame);
    } catch (error) {
      // The next frames are not to blame.
      this.settings.log.error('a frame', `A frame of node ${this.from} was not taken: ${String(error)}.`);
    }
  }

  private received(chunk: Buffer): void {
    if (this.isClosed) {
      return;
    }
    this.keepAlive.heard();
    this.intake.receive(chunk);
    if (!this.socket.isPaused() && !this.mayHold(this.loadBytes, this.settings.underWayBytesMax)) {
      this.socket.pause();
    }
  }

  private carryOut(message: Incoming): void {
    const { peers } = this.settings;
    this.atOnce++;
    try {
      const request = decodeRequest(message);
      const reply = peers.serveNow?.(request);
      if (reply) {
        this.carriedOut(message, this.answerOrError(message.id, reply));
      } else {
        this.serve(request, message.id, (answer) => {
          this.carriedOut(message, answer);
          this.relieved();
        });
      }
    } catch (error) {
      // Not now: what is done makes room for the next, which may fail as well, until the stack is full.
      queueMicrotask(() => {
        this.carriedOut(message, this.errorAnswer(message.id, error));
        this.relieved();
      });
    }
  }

  private carriedOut(message: Incoming, answer: Outgoing): void {
    this.atOnce--;
    this.answered(message, answer);
  }

  private forward(message: Incoming): void {
    const bytesMax = this.settings.underWayBytesMax / 2;
    const costBytes = costOf(message);
    if (!this.mayHold(this.forwardBytes + costBytes, bytesMax)) {
      this.sender.add(errorFrame(message.id, overloaded(bytesMax)));
      return;
    }
    this.underWay++;
    this.underWayBytes += costBytes;
    this.forwardBytes += costBytes;
    const done = (answer: Outgoing) => {
      this.forwardBytes -= costBytes;
      this.answered(message, answer);
      this.relieved();
    };
    try {
      this.serve(decodeRequest(message), message.id, done);
    } catch (error) {
      done(this.errorAnswer(message.id, error));
    }
  }

  private answered(message: Incoming, answer: Outgoing): void {
    this.underWay--;
    this.underWayBytes -= costOf(message);
    const kind = knownKind(message.kind);
    if (kind !== undefined) {
      this.settings.telemetry.streamRequest(kind, answer.origin ? 'ok' : 'error');
    }
    this.sender.add(answer);
  }

  /** Tells `done` once, later. Without async functions: two around each request make it twice as dear. */
  private serve(request: PeerRequest, id: number, done: (answer: Outgoing) => void): void {
    this.settings.peers.serve(request).then(
      (reply) => done(this.answerOrError(id, reply)),
      (error: unknown) => done(this.errorAnswer(id, error)),
    );
  }

  private answerOrError(id: number, reply: PeerReply): Outgoing {
    const { replyBytesMax } = this.settings;
    try {
      const answer = answerFrame(id, reply);
      return answer.bytes.length > replyBytesMax
        ? errorFrame(id, tooLargeAnswer(answer.bytes.length, replyBytesMax))
        : answer;
    } catch (error) {
      return this.errorAnswer(id, error);
    }
  }

  private errorAnswer(id: number, error: unknown): Outgoing {
    return errorFrame(id, answerOf(error, this.settings.log).body);
  }

  /** All that it keeps in memory for its peer. */
  get heldBytes(): number {
    return this.loadBytes + this.begunBytes;
  }

  private get loadBytes(): number {
    return this.underWayBytes + this.sender.unsentBytes;
  }

  private get hasRoom(): boolean {
    return this.atOnce < AT_ONCE_MAX && this.mayHold(this.sender.unsentBytes, this.settings.underWayBytesMax);
  }

  /** One comparison for a peer that reads; the other sessions are counted only for one that does not. */
  private mayHold(bytes: number, bytesMax: number): boolean {
    const { freeBytes, isRoomLeft } = this.settings;
    return bytes <= freeBytes || (bytes <= bytesMax && isRoomLeft());
  }

  private relieved(): void {
    while (this.waiting.length > 0 && this.hasRoom) {
      this.carryOut(this.waiting.shift()!);
    }
    this.readIfRoom();
    this.hangUpIfDone();
  }

  private readIfRoom(): void {
    const hasRoom = () => this.mayHold(this.loadBytes, this.settings.underWayBytesMax / 2);
    if (this.socket.isPaused() && !this.intake.isBehind && hasRoom()) {
      this.socket.resume();
    }
  }

  private forget(id: number, bytes: number): void {
    if (bytes > CHUNK_BYTES) {
      this.begunBytes -= this.begun.get(id) ?? 0;
      this.begun.delete(id);
    }
  }

  private hangUpIfDone(): void {
    if (this.mayHangUp && this.underWay === 0 && this.sender.unsentBytes === 0) {
      this.socket.end();
    }
  }

  private breakOff(error: DkvError): void {
    const { code, message } = error;
    this.settings.log.warn(
      'a connection',
      `A connection of node ${this.from} on the peer port was closed. ${message}`,
    );
    this.sender.add(errorFrame(CONNECTION_ID, { code, message }), true);
    this.sender.flush();
    this.socket.end();
    this.ended();
  }

  /** Once: nothing more is handed on or sent. */
  private ended(): void {
    if (!this.isClosed) {
      this.isClosed = true;
      this.keepAlive.stop();
      this.leaveTimer?.cancel();
      this.waiting = [];
      this.intake.end();
      this.sender.close();
    }
  }
}

function costOf({ bytes }: Incoming): number {
  return bytes + REQUEST_COST_BYTES;
}

function tooLarge(bytes: number, max: number): DkvError {
  return new DkvError('DKV_VALUE_TOO_LARGE', `The request has ${bytes} bytes; ${max} are allowed.`);
}

function tooLargeAnswer(bytes: number, max: number): DkvError {
  return new DkvError(
    'DKV_PROTOCOL',
    `The answer has ${bytes} bytes where ${max} are allowed. Give every node the same valueBytesMax.`,
  );
}

function overloaded(max: number): DkvError {
  return new DkvError(
    'DKV_OVERLOADED',
    `More than ${max} bytes of requests of one peer are under way, or too many of all peers.`,
  );
}
