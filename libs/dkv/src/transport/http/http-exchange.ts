/** One HTTP request to a peer, watched closely enough to know whether any of it can have reached the peer. */
import { Buffer } from 'node:buffer';
import { type HttpService } from '@nestjs/axios';
import {
  type Agent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { firstValueFrom } from 'rxjs';
import { DkvError, type DkvErrorCode, isDkvError } from '../../dkv.errors.js';
import { API_KEY_HEADER, FORMAT_HEADER, NODE_HEADER, PEER_FORMAT } from '../messages/limits.js';
import { PEER_CONTENT_TYPE } from './peer-server.js';

export interface ExchangeTarget {
  readonly url: string;
  /** For messages. */
  readonly peer: string;
  readonly apiKey: string;
  /** Of this node. */
  readonly nodeId: string;
  readonly agent: Agent;
  readonly replyBytesMax: number;
}

export interface RawReply {
  readonly status: number;
  readonly body: Buffer;
}

/** Begins the codes of Node's HTTP parser, for an answer that is not HTTP; one that breaks off is a reset. */
const PARSER_CODE = 'HPE_';

/**
 * Axios tells that a request failed, not how far it came. This makes the request itself (axios' `transport`) and
 * notes when a connected socket takes it: from then on it may have been carried out, before it was not sent. It
 * follows no redirect: what would, axios puts around its own transport only.
 */
export class HttpExchange {
  private request: ClientRequest | undefined;
  private connected = false;
  private onReusedSocket = false;
  private givenUp: DkvError | undefined;
  private rejectGivenUp: ((error: DkvError) => void) | undefined;

  constructor(
    private readonly http: HttpService,
    private readonly target: ExchangeTarget,
  ) {}

  /** Whether any of the request may have left this node. */
  get mayHaveBeenSent(): boolean {
    return this.connected;
  }

  /** Whether it went out on a connection that had been idle: when it failed, others like it are suspect. */
  get usedIdleConnection(): boolean {
    return this.onReusedSocket;
  }

  /** @throws DkvError `DKV_PEER_UNREACHABLE`, `DKV_PEER_DISCONNECTED`, `DKV_PROTOCOL`, or what `giveUp` was given. */
  async run(body: Buffer): Promise<RawReply> {
    const givenUp = new Promise<never>((_, reject) => {
      this.rejectGivenUp = reject;
    });
    // A request that waits for a socket learns of its destruction only when it gets one: do not wait for it.
    return Promise.race([this.perform(body), givenUp]).catch((error: unknown) => {
      throw this.classify(error);
    });
  }

  /** Ends the exchange now: `DKV_ABORTED`, or by default whichever tells what is known of the request. */
  giveUp(reason: string, code?: DkvErrorCode): void {
    this.givenUp ??= new DkvError(code ?? this.failureCode(), `${this.target.peer}: ${reason}`);
    this.request?.destroy();
    this.rejectGivenUp?.(this.givenUp);
  }

  private async perform(body: Buffer): Promise<RawReply> {
    const { url, apiKey, nodeId, agent } = this.target;
    const response = await firstValueFrom(
      this.http.request<IncomingMessage>({
        method: 'POST',
        url,
        data: body,
        headers: {
          'Content-Type': PEER_CONTENT_TYPE,
          [API_KEY_HEADER]: apiKey,
          [FORMAT_HEADER]: String(PEER_FORMAT),
          [NODE_HEADER]: nodeId,
        },
        // Named, so that no other adapter of the given HttpService bypasses the transport below.
        adapter: 'http',
        transport: { request: this.start },
        httpAgent: agent,
        httpsAgent: agent,
        proxy: false,
        decompress: false,
        responseType: 'stream',
        transformRequest: [],
        transformResponse: [],
        validateStatus: () => true,
      }),
    );
    return { status: response.status, body: await this.read(response.data) };
  }

  private readonly start = (
    options: RequestOptions,
    onResponse: (response: IncomingMessage) => void,
  ): ClientRequest => {
    if (this.givenUp) {
      throw this.givenUp;
    }
    this.request = httpRequest(options, onResponse);
    this.request.once('socket', (socket: Socket) => this.watch(socket));
    return this.request;
  };

  /**
   * Node writes the request right after this, or after `connect`, and not before: see ClientRequest.onSocket.
   * Encrypted, nothing of it leaves before the peer's certificate was accepted.
   */
  private watch(socket: Socket): void {
    this.onReusedSocket = this.request?.reusedSocket ?? false;
    const isEncrypted = socket instanceof TLSSocket;
    if (isEncrypted ? socket.authorized : !socket.connecting) {
      this.connected = true;
    } else {
      socket.once(isEncrypted ? 'secureConnect' : 'connect', () => {
        this.connected = true;
      });
    }
  }

  private async read(response: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > this.target.replyBytesMax) {
        response.destroy();
        throw new DkvError(
          'DKV_PROTOCOL',
          `${this.target.peer} answered with more than ${this.target.replyBytesMax} bytes. Give every node the ` +
            `same valueBytesMax.`,
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  private classify(error: unknown): DkvError {
    if (this.givenUp) {
      return this.givenUp;
    }
    if (isDkvError(error)) {
      return error;
    }
    const { message, code } = describeFailure(error);
    if (this.mayHaveBeenSent && code.startsWith(PARSER_CODE)) {
      return new DkvError('DKV_PROTOCOL', `${this.target.peer} does not speak HTTP: ${message}`, {
        cause: error,
      });
    }
    const what = this.mayHaveBeenSent
      ? 'the connection broke before the answer'
      : 'the request could not be sent';
    return new DkvError(this.failureCode(), `${this.target.peer}: ${what} (${message}).`, { cause: error });
  }

  private failureCode(): DkvErrorCode {
    return this.mayHaveBeenSent ? 'DKV_PEER_DISCONNECTED' : 'DKV_PEER_UNREACHABLE';
  }
}

/** Node's AggregateError of several addresses has an empty message; its code says what happened. */
function describeFailure(error: unknown): { message: string; code: string } {
  if (!(error instanceof Error)) {
    return { message: String(error), code: '' };
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { message: error.message || code, code };
}
