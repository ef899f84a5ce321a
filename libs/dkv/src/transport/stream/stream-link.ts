/** The way to one peer: connects when there is something to send, and not too often when that fails. */
import { type ClientRequest } from 'node:http';
import { DkvError } from '../../dkv.errors.js';
import { type PeerReply, type PeerRequest } from '../../model/peer-protocol.js';
import { type Clock } from '../../ports/clock.js';
import { type Random } from '../../ports/random.js';
import { type SendOptions } from '../../ports/remote-kv-repo.js';
import { type ConnectionOwner, type ConnectionSettings, StreamConnection } from './stream-connection.js';

export interface LinkSettings extends ConnectionSettings {
  readonly clock: Clock;
  readonly random: Random;
  /** Begins to connect. May throw where the address is none. */
  readonly connect: () => ClientRequest;
  readonly sentBytes: (bytes: number) => void;
  readonly receivedBytes: (bytes: number) => void;
  /** A connection that had been open has ended. */
  readonly disconnected: () => void;
  /** A connection was never of use. */
  readonly failed: (failure: DkvError) => void;
}

/** After the first failure, doubled with each one after. */
const BACKOFF_MS_MIN = 50;
/** Short beside the pause of a restart: who comes back is found within about a second. */
const BACKOFF_MS_MAX = 1000;

export class StreamLink implements ConnectionOwner {
  readonly sentBytes: (bytes: number) => void;
  readonly receivedBytes: (bytes: number) => void;
  readonly disconnected: () => void;
  private readonly connections = new Set<StreamConnection>();
  /** Where new requests go. */
  private current: StreamConnection | undefined;
  private failures = 0;
  private lastFailure: DkvError | undefined;
  private retryAtMs = 0;

  constructor(private readonly settings: LinkSettings) {
    this.sentBytes = settings.sentBytes;
    this.receivedBytes = settings.receivedBytes;
    this.disconnected = settings.disconnected;
  }

  /** Nothing is lost when this is forgotten. */
  get isUnused(): boolean {
    return this.connections.size === 0 && this.settings.clock.monotonic() >= this.retryAtMs;
  }

  /** @throws DkvError as `RemoteKvRepo.send`; then neither is called. */
  send(
    request: PeerRequest,
    options: SendOptions,
    resolve: (reply: PeerReply) => void,
    reject: (error: DkvError) => void,
  ): void {
    this.current ??= this.connect();
    this.current.send(request, options, resolve, reject);
  }

  /** As `RemoteKvRepo.post`. */
  post(frame: Uint8Array): boolean {
    const { postBytesMax, peer } = this.settings;
    if (frame.length > postBytesMax) {
      throw new TypeError(
        `${peer}: a frame of ${frame.length} bytes cannot be posted, ${postBytesMax} are allowed. Post less at a time.`,
      );
    }
    if (this.current) {
      return this.current.post(frame);
    }
    if (this.waitMs <= 0) {
      this.tryToConnect();
    }
    return false;
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.connections, (connection) => connection.close('this node is closing')));
  }

  leaving(connection: StreamConnection): void {
    if (this.current === connection) {
      this.current = undefined;
    }
  }

  closed(connection: StreamConnection, failure: DkvError | undefined): void {
    this.leaving(connection);
    this.connections.delete(connection);
    if (failure) {
      this.backOff(failure);
      this.settings.failed(failure);
    } else {
      this.failures = 0;
    }
  }

  private get waitMs(): number {
    return this.lastFailure ? this.retryAtMs - this.settings.clock.monotonic() : 0;
  }

  private tryToConnect(): void {
    try {
      this.current = this.connect();
    } catch {
      // An address that leads nowhere: requests are told, and a frame is dropped either way.
    }
  }

  private connect(): StreamConnection {
    const { peer, connect } = this.settings;
    const { waitMs } = this;
    if (waitMs > 0 && this.lastFailure) {
      const { code, message } = this.lastFailure;
      throw new DkvError(code, `${message} It is tried again in ${Math.ceil(waitMs)} ms.`, {
        cause: this.lastFailure,
      });
    }
    try {
      const connection = new StreamConnection(connect(), this, this.settings);
      this.connections.add(connection);
      return connection;
    } catch (cause) {
      throw new DkvError(
        'DKV_PEER_UNREACHABLE',
        `${peer}: no connection can lead there (${String(cause)}).`,
        {
          cause,
        },
      );
    }
  }

  private backOff(failure: DkvError): void {
    const { clock, random } = this.settings;
    const fullMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.failures++);
    this.lastFailure = failure;
    this.retryAtMs = clock.monotonic() + fullMs * (0.5 + random.next() / 2);
  }
}
