/** One WebSocket to a peer: carries requests and brings every one of them to exactly one end. */
import { WebSocket } from 'ws';
import { DkvError, isDkvErrorCode } from '../dkv.errors.js';
import { type PeerReply, type PeerRequest } from '../model/peer-protocol.js';
import { type Clock, type Timer } from '../ports/clock.js';
import { type SendOptions } from '../ports/remote-kv-repo.js';
import { FrameIntake } from '../wire/frames/frame-intake.js';
import { FRAME } from '../wire/frames/frame-layout.js';
import {
  decodeReply,
  type FrameHandler,
  FrameReceiver,
  type Incoming,
} from '../wire/frames/frame-receiver.js';
import { type Defer, FrameSender } from '../wire/frames/frame-sender.js';
import { KeepAlive } from '../wire/frames/keep-alive.js';
import { cancelFrame, requestFrame } from '../wire/frames/outgoing.js';
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
  /** Without a request for so long, it is closed. */
  readonly idleMs: number;
}

export interface ConnectionOwner {
  /** Nothing new can be sent on it; what is under way is still answered. */
  leaving(connection: StreamConnection): void;
  /** `failure`: why it never was of use; undefined if it was. */
  closed(connection: StreamConnection, failure: DkvError | undefined): void;
  sentBytes(bytes: number): void;
  receivedBytes(bytes: number): void;
}

/** How long the peer has to agree that the connection is closed. */
const CLOSE_MS = 1000;
/** Ids are numbers below this; a connection that lives so long begins anew. */
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

  /** `socket` is connecting. */
  constructor(
    private readonly socket: WebSocket,
    private readonly owner: ConnectionOwner,
    private readonly settings: ConnectionSettings,
  ) {
    const { clock, defer, inFlight, connectTimeoutMs } = settings;
    this.lastCallMs = clock.monotonic();
    this.calls = new StreamCalls(clock, inFlight, (call, reason) => this.giveUp(call, reason));
    this.sender = new FrameSender(defer);
    this.intake = new FrameIntake(this.receiver, defer, {
      pause: () => socket.pause(),
      read: () => {
        socket.resume();
        this.closeIfLeft();
      },
      broken: (cause) => this.broken(cause),
    });
    this.connectTimer = clock.schedule(connectTimeoutMs, () =>
      this.end(this.unreachable(`no connection in ${connectTimeoutMs} ms`)),
    );
    socket.on('open', () => this.opened());
    socket.on('message', (data: Buffer, isBinary: boolean) => this.received(data, isBinary));
    socket.on('ping', () => this.keepAlive?.heard());
    socket.on('pong', () => this.keepAlive?.heard());
    socket.on('error', (error) => this.end(this.unreachable(reasonOf(error), error)));
    socket.on('close', (code, reason) => {
      // What came in before is still answered.
      this.intake.drain();
      this.end(this.unreachable(`closed with ${code} ${reason.toString()}`));
    });
    socket.on('unexpected-response', (_, response) => {
      void readRefusal(response, settings.peer).then((error) => this.end(error));
    });
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
    this.calls.admit({ kind, outgoing });
    const startedMs = clock.monotonic();
    this.lastCallMs = startedMs;
    this.calls.add({ kind, outgoing, options, startedMs, resolve, reject, forgetSignal: undefined });
    this.sender.add(outgoing, kind === 'ping');
  }

  /** Ends it now, with everything under way. */
  close(reason: string): Promise<void> {
    const closed =
      this.socket.readyState === WebSocket.CLOSED
        ? Promise.resolve()
        : new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.end(this.unreachable(reason));
    return closed;
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

  goodbye(): void {
    this.left = true;
    this.owner.leaving(this);
    for (const call of this.calls.unsent()) {
      this.giveUp(call, 'the node is closing');
    }
  }

  private opened(): void {
    const { clock, keepAliveMs } = this.settings;
    this.connectTimer.cancel();
    this.keepAlive = new KeepAlive(clock, keepAliveMs, {
      ping: () => this.socket.ping(),
      dead: () => this.end(this.unreachable('no sign of life')),
      ticked: () => this.closeIfIdle(),
    });
    this.sender.open({
      send: (message, flushed) => {
        this.owner.sentBytes(message.length);
        this.socket.send(message, flushed);
      },
    });
  }

  private received(data: Buffer, isBinary: boolean): void {
    if (this.isClosed) {
      return;
    }
    this.heard = true;
    this.keepAlive?.heard();
    this.owner.receivedBytes(data.length);
    if (isBinary) {
      this.intake.receive(data);
    } else {
      this.broken(new DkvError('DKV_PROTOCOL', 'It sent text.'));
    }
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
    if (politely) {
      this.socket.close(1000);
      this.settings.clock.schedule(CLOSE_MS, () => this.socket.terminate());
    } else {
      this.socket.terminate();
    }
    for (const { outgoing, reject } of this.calls.takeAll()) {
      reject(
        outgoing.sent
          ? new DkvError('DKV_PEER_DISCONNECTED', `${why.message} The answer was not there.`, { cause: why })
          : why,
      );
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
