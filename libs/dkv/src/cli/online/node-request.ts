/** One HTTP request to a node's peer port: bounded in time and size, following no redirect, and aware of how far it came. */
import { Buffer } from 'node:buffer';
import { type IncomingMessage, request as requestByHttp, type RequestOptions } from 'node:http';
import { request as requestByHttps } from 'node:https';
import { type Clock } from '../../ports/clock.js';
import { ADMIN_KEY_HEADER } from '../../transport/messages/limits.js';
import { type Connection } from './connection.js';

/** Above the largest value that a node takes, 64 MiB, in base64. */
const ANSWER_BYTES_MAX = 96 * 2 ** 20;

/** What keeps nodes and this command apart, by the code or the message of the error. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/, 'give the CA of the nodes by --ca'],
  [
    /CERTIFICATE_REQUIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA/,
    'give a certificate of their CA by --cert and --cert-key',
  ],
  [/wrong version number|packet length too long/i, 'it does not encrypt: give http://'],
  [
    /socket hang up|ECONNRESET/,
    'where the nodes have the option tls, give https://, --ca, --cert and --cert-key',
  ],
];

export interface NodeRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With its query, percent-encoded. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: object;
}

export interface NodeAnswer {
  readonly status: number;
  /** Of its JSON; undefined where it is none. */
  readonly body: unknown;
}

/** No answer came, or not all of it. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';

  constructor(
    message: string,
    /** Whether the node may have carried it out. */
    readonly mayHaveArrived: boolean,
  ) {
    super(message);
  }
}

/** @throws NoAnswer */
export function askNode(
  url: URL,
  { method, path, body }: NodeRequest,
  { adminKey, tls, timeoutMs }: Pick<Connection, 'adminKey' | 'tls' | 'timeoutMs'>,
  clock: Clock,
): Promise<NodeAnswer> {
  const isEncrypted = url.protocol === 'https:';
  const sent = body && Buffer.from(JSON.stringify(body));
  const options: RequestOptions = {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port || (isEncrypted ? 443 : 80),
    method,
    path,
    agent: false,
    headers: {
      [ADMIN_KEY_HEADER]: adminKey,
      ...(sent && { 'Content-Type': 'application/json', 'Content-Length': sent.length }),
    },
  };
  return new Promise((resolve, reject) => {
    let isConnected = false;
    const request = isEncrypted
      ? requestByHttps({ ...options, ...tlsOptionsOf(tls) })
      : requestByHttp(options);
    const fail = (why: string, mayHaveArrived = isConnected) => {
      timer.cancel();
      request.destroy();
      reject(new NoAnswer(why, mayHaveArrived));
    };
    const timer = clock.schedule(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
    request.once('socket', (socket) => {
      socket.once(isEncrypted ? 'secureConnect' : 'connect', () => (isConnected = true));
    });
    request.once('response', (response) => {
      contentOf(response).then(
        (content) => {
          timer.cancel();
          resolve({ status: response.statusCode!, body: jsonIn(content) });
        },
        (error: Error) => fail(`the answer could not be read: ${error.message}`),
      );
    });
    // A node refuses a certificate only after the handshake, and then reads nothing.
    request.on('error', (error) => fail(reasonOf(error), isConnected && !isOfTls(error)));
    request.end(sent);
  });
}

/**
 * As between nodes, a certificate must be of the CA given and may have any name, for pods have names that no certificate
 * has. Without a CA of their own, whom all the world trusts must also have the right name.
 */
function tlsOptionsOf({ ca, cert, key }: Connection['tls']): object {
  return { ca, cert, key, ...(ca !== undefined && { checkServerIdentity: () => undefined }) };
}

async function contentOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new Error(`it has more than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function jsonIn(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString()) as unknown;
  } catch {
    return undefined;
  }
}

/** Of several addresses Node tells no message but that of each. */
function reasonOf(error: Error): string {
  const message = error.message || codeOf(error);
  const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(`${codeOf(error)} ${message}`)) ?? [];
  return remedy === undefined ? message : `${message}; ${remedy}`;
}

function isOfTls(error: Error): boolean {
  return codeOf(error).startsWith('ERR_SSL_');
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
