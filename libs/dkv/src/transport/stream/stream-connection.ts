/** One connection to a peer: carries requests, brings every one of them to exactly one end, and posts frames. */
import { type ClientRequest, type IncomingMessage } from 'node:http';
import { type Socket } from 'node:net';
import { DkvError, isDkvErrorCode } from '../../dkv.errors.js';
import { type PeerReply, type PeerRequest } from '../../model/peer-protocol.js';
import { type Clock, type Timer } from '../../ports/clock.js';
import { type SendOptions } from '../../ports/remote-kv-repo.js';
import { socketSink } from './batch.js';
import { FrameIntake } from './frame-intake.js';
import { FRAME, STREAM_PROTOCOL } from './frame-layout.js';
import { decodeReply, type FrameHandler, FrameReceiver, type Incoming } from './frame-receiver.js';
import { type Defer, FrameSender } from './frame-sender.js';
import { KeepAlive } from './keep-alive.js';
import { cancelFrame, CONNECTION_ID, requestFrame, wordFrame } from './outgoing.js';
import { type Call, type InFlightBytes, StreamCalls } from './stream-calls.js';
import { readRefusal } from './stream-refusal.js';

export interface ConnectionSettings {
  /** For messages. */
  readonly peer: string;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly inFlight: InFlightBytes;
  readonly requestBytesMax: number;
  readonly replyBytesMax: number;
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Of a one-way frame. */
  readonly postBytesMax: number;
  /** Bytes in the socket and of posted frames past which it takes no more of these. */
  readonly unsentPostBytesMax: number;
  /** Without a request or a frame for so long, it is closed. */
  readonly idleMs: number;
}

export interface ConnectionOwner {
  /** Nothing new can be sent on it; what is under way is still answered. */
  leaving(connection: StreamConnection): void;
  /** `failure`: why it never was of use; undefined if it was. */
  closed(connection: StreamConnection, failure: DkvError | undefined): void;
  /** Ended after it had been open; all that came in has been handed on. */
  disconnected(): void;
  sentBytes(bytes: number): void;
  receivedBytes(bytes: number): void;
}

/** How long the peer has to agree that the connection is closed. */
const CLOSE_MS = 1000;
/** Ids are numbers below this; a connection that lasts so long begins anew. */
const ID_MAX = 2 ** 32 - 1;

export class StreamConnection implements FrameHandler {
  readonly takes = FRAME.ANSWER;
  private readonly calls: StreamCalls;
  private readonly sender: FrameSender;
  private readonly receiver = new FrameReceiver(this);
  private readonly intake: FrameIntake;
  private readonly connectTimer: Timer;
  private keepAlive: KeepAlive | undefined;
  private lastId = 0;
  private lastCallMs: number;
  private left = false;
  /** Whether it has been of use. */
  private heard = false;
  private isClosed = false;
  /** Undefined until the peer has agreed. */
  private socket: Socket | undefined;
  private failure: Error | undefined;
  private readonly gone: Promise<void>;

  /** `dial` asks for the upgrade; it was not sent yet. */
  constructor(
    private readonly dial: ClientRequest,
    private readonly owner: ConnectionOwner,
    private readonly settings: ConnectionSettings,
  ) {
    const { clock, defer, inFlight, connectTimeoutMs } = settings;
    this.lastCallMs = clock.monotonic();
    this.calls = new StreamCalls(clock, inFlight, (call, reason) => this.giveUp(call, reason));
    this.sender = new FrameSender(defer);
    this.intake = new FrameIntake(this.receiver, defer, {
      pause: () => this.socket?.pause(),
      read: () => {
        this.socket?.resume();
        this.closeIfLeft();
      },
      broken: (cause) => this.broken(cause),
    });
    this.connectTimer = clock.schedule(connectTimeoutMs, () =>
      this.end(this.unreachable(`no connection in ${connectTimeoutMs} ms`)),
    );
    this.gone = new Promise((resolve) => {
      dial.on('close', () => (this.socket ? this.socket.once('close', resolve) : resolve()));
    });
    dial.on('upgrade', (response, socket, head) => this.upgraded(response, socket, head));
    dial.on('response', (response) => {
      void readRefusal(response, settings.peer).then((error) => this.end(error));
    });
    dial.on('error', (error) => this.end(this.unreachable(reasonOf(error), error)));
    dial.end();
  }

  /**
   * Carries `request`, at once or when the connection is there, and calls one of the two, once.
   * @throws DkvError as `RemoteKvRepo.send`; then neither is called.
   */
  send(
    request: PeerRequest,
    options: SendOptions,
    resolve: (reply: PeerReply) => void,
    reject: (error: DkvError) => void,
  ): void {
    const { requestBytesMax, clock, peer } = this.settings;
    const { kind } = request;
    const outgoing = requestFrame(this.nextId(), request);
    if (outgoing.bytes.length > requestBytesMax) {
      throw new DkvError(
        'DKV_VALUE_TOO_LARGE',
        `${peer}: the ${kind} request has ${outgoing.bytes.length} bytes; ${requestBytesMax} are allowed.`,
      );
    }
    this.calls.admit(outgoing);
    const startedMs = clock.monotonic();
    this.lastCallMs = startedMs;
    this.calls.add({ kind, outgoing, options, startedMs, resolve, reject, forgetSignal: undefined });
    this.sender.add(outgoing);
  }

  /** As `RemoteKvRepo.post`. */
  post(frame: Uint8Array): boolean {
    this.lastCallMs = this.settings.clock.monotonic();
    return this.sender.post(frame, this.settings.unsentPostBytesMax);
  }

  /** Ends it now, with everything under way. */
  close(reason: string): Promise<void> {
    this.end(this.unreachable(reason));
    return this.gone;
  }

  admits(id: number, totalBytes: number): boolean {
    if (this.calls.has(id) && totalBytes > this.settings.replyBytesMax) {
      this.calls.take(id)!.reject(this.tooLarge(totalBytes));
      this.sender.add(cancelFrame(id));
      this.closeIfLeft();
    }
    return this.calls.has(id);
  }

  incoming(message: Incoming): void {
    // Without a call: its caller has given up.
    const call = this.calls.take(message.id);
    if (call) {
      try {
        call.resolve(decodeReply(call.kind, message));
      } catch (error) {
        call.reject(error as DkvError);
      }
    }
  }

  failed(id: number, code: string, message: string): void {
    const { peer } = this.settings;
    if (id === CONNECTION_ID) {
      this.heard = false;
      this.end(this.unreachable(`it closed the connection (${code}: ${message})`));
      return;
    }
    this.calls
      .take(id)
      ?.reject(
        isDkvErrorCode(code)
          ? new DkvError(code, message)
          : new DkvError(
              'DKV_PROTOCOL',
              `${peer} answered with the unknown code ${JSON.stringify(code)}: ${message}`,
            ),
      );
  }

  pinged(): void {
    this.sender.add(wordFrame(FRAME.PONG), true);
  }

  goodbye(): void {
    this.left = true;
    this.owner.leaving(this);
    for (const call of this.calls.unsent()) {
      this.giveUp(call, 'the node is closing');
    }
  }

  private upgraded({ headers }: IncomingMessage, socket: Socket, head: Buffer): void {
    const { clock, keepAliveMs } = this.settings;
    this.socket = socket;
    // What breaks shows as a close.
    socket.on('error', (error) => (this.failure = error));
    if (this.isClosed || headers.upgrade?.toLowerCase() !== STREAM_PROTOCOL) {
      socket.destroy();
      this.end(
        this.unreachable(`it speaks ${headers.upgrade ?? 'nothing'} where ${STREAM_PROTOCOL} was asked for`),
      );
      return;
    }
    this.connectTimer.cancel();
    this.keepAlive = new KeepAlive(clock, keepAliveMs, {
      ping: () => this.sender.add(wordFrame(FRAME.PING), true),
      dead: () => this.end(this.unreachable('no sign of life')),
      ticked: () => this.closeIfIdle(),
    });
    socket.setNoDelay(true);
    socket.on('close', () => {
      // What came in before is still answered.
      this.intake.drain();
      this.end(
        this.unreachable(this.failure ? reasonOf(this.failure) : 'the connection was closed', this.failure),
      );
    });
    socket.on('data', (chunk) => this.received(chunk));
    if (head.length > 0) {
      this.received(head);
    }
    const sink = socketSink(socket);
    this.sender.open({
      send: (parts, flushed) => {
        for (const { length } of parts) {
          this.owner.sentBytes(length);
        }
        sink.send(parts, flushed);
      },
    });
  }

  private received(chunk: Buffer): void {
    if (this.isClosed) {
      return;
    }
    this.heard = true;
    this.keepAlive?.heard();
    this.owner.receivedBytes(chunk.length);
    this.intake.receive(chunk);
    this.closeIfLeft();
  }

  private broken(cause: unknown): void {
    this.heard = false;
    this.end(this.unreachable('what it sent is not of the protocol', cause));
  }

  private giveUp(call: Call, reason: string): void {
    const { outgoing, options } = call;
    if (!this.calls.take(outgoing.id)) {
      return;
    }
    this.sender.remove(outgoing);
    this.receiver.drop(outgoing.id);
    if (outgoing.sentBytes > 0) {
      this.sender.add(cancelFrame(outgoing.id));
    }
    const code = options.signal?.aborted
      ? 'DKV_ABORTED'
      : outgoing.sent
        ? 'DKV_PEER_DISCONNECTED'
        : 'DKV_PEER_UNREACHABLE';
    call.reject(new DkvError(code, `${this.settings.peer}: ${reason}.`));
    this.closeIfLeft();
  }

  /** Once: `why` is the error of what was not sent. */
  private end(why: DkvError, politely = false): void {
    if (this.isClosed) {
      return;
    }
    this.isClosed = true;
    this.connectTimer.cancel();
    this.keepAlive?.stop();
    this.intake.end();
    this.sender.close();
    this.owner.closed(this, this.heard ? undefined : why);
    const { socket } = this;
    if (socket && politely) {
      socket.end();
      const timer = this.settings.clock.schedule(CLOSE_MS, () => socket.destroy());
      socket.once('close', () => timer.cancel());
    } else {
      socket?.destroy();
      this.dial.destroy();
    }
    for (const { outgoing, reject } of this.calls.takeAll()) {
      reject(
        outgoing.sent
          ? new DkvError('DKV_PEER_DISCONNECTED', `${why.message} The answer was not there.`, { cause: why })
          : why,
      );
    }
    if (socket) {
      this.owner.disconnected();
    }
  }

  private closeIfLeft(): void {
    if (this.left && this.calls.size === 0) {
      this.end(this.unreachable('the node is closing'), true);
    }
  }

  private closeIfIdle(): void {
    const { clock, idleMs } = this.settings;
    if (this.calls.size === 0 && clock.monotonic() - this.lastCallMs > idleMs) {
      this.end(this.unreachable('not in use'));
    }
  }

  private nextId(): number {
    if (this.lastId === ID_MAX) {
      this.lastId = 0;
    }
    do {
      this.lastId++;
    } while (this.calls.has(this.lastId));
    return this.lastId;
  }

  private tooLarge(totalBytes: number): DkvError {
    const { peer, replyBytesMax } = this.settings;
    return new DkvError(
      'DKV_PROTOCOL',
      `${peer} answered with ${totalBytes} bytes where ${replyBytesMax} are allowed. Give every node the same ` +
        `valueBytesMax.`,
    );
  }

  private unreachable(reason: string, cause?: unknown): DkvError {
    return new DkvError('DKV_PEER_UNREACHABLE', `${this.settings.peer}: ${reason}.`, { cause });
  }
}

/** Node's AggregateError of several addresses has an empty message; its code says what happened. */
function reasonOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return error.message || code;
}
