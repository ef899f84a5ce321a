/** The Fastify server of the peer port: its limits and time-outs, and who is let in. */
import { Buffer } from 'node:buffer';
import { type FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Socket } from 'node:net';
import { DkvError } from '../../dkv.errors.js';
import { type PeerObserver } from '../../ports/peer-observer.js';
import { type Telemetry } from '../../ports/telemetry.js';
import { API_KEY_HEADER, jsonBodyBytesMax, postBytesMax } from '../messages/limits.js';
import { nodeIdIn } from '../messages/introduction.js';
import { tellOfRefused } from '../peer-failures.js';
import { hasFewValues } from '../rest/body-structure.js';
import { impostorFault } from '../tls/bound-names.js';
import { type PeerTls } from '../tls/peer-tls.js';
import { forbidden, type PortKeys } from './port-keys.js';
import { serverTlsOptions } from '../tls/stream-certificates.js';

/** Node's defaults let a caller hold a socket for minutes: 60 s for headers, 300 s for the request. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** Node looks for what is past these once in so long; its default of 30 s would be added to both. */
const TIMEOUT_CHECK_MS = 1_000;
/** Above the idle time of HttpRemoteKvRepo's connections, so that the client closes them, never both at once. */
const KEEP_ALIVE_MS = 65_000;
/** Node's own limit of the request line and headers: no longer parameter can come, and a key's encoding fits. */
const HEADER_BYTES_MAX = 16 * 1024;

/** In a JSON body; the largest that a route takes has eight. */
const JSON_VALUES_MAX = 64;

/** Of the messages of peers, in requests and in answers. */
export const PEER_CONTENT_TYPE = 'application/octet-stream';

/** The largest body of a peer: one one-way frame, the largest thing that nodes send, and its length. */
export function peerBodyBytesMax(valueBytesMax: number): number {
  return postBytesMax(valueBytesMax) + 4;
}

export interface ServerGate {
  readonly keys: PortKeys;
  /** Whoever says that it is a node must show a certificate with that name. Default: any of the CA. */
  readonly bindsNodeIds?: boolean;
  /** True from the beginning of the stop on. */
  readonly stopping: boolean;
  /** Told of peers that are not let in. */
  readonly observer?: PeerObserver;
  readonly telemetry?: Telemetry;
}

/**
 * An adapter whose every route, unknown ones included, asks `gate` before it reads a body: JSON of people and scripts, or
 * the bytes of peers.
 * @throws DkvError `DKV_INVALID_OPTIONS` where `@nestjs/platform-fastify` is not installed
 */
export async function createPeerServer(
  valueBytesMax: number,
  gate: ServerGate,
  tls?: PeerTls,
): Promise<FastifyAdapter> {
  const Adapter = await fastifyAdapter();
  const http = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  };
  const adapter = new Adapter({
    logger: false,
    bodyLimit: jsonBodyBytesMax(valueBytesMax),
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    ...(tls ? { https: { ...http, ...serverTlsOptions(tls) } } : { http }),
    clientErrorHandler: (_error, socket) => refuseMalformed(socket),
    // A path that is not percent-encoded comes here before any hook.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const isKnown = gate.keys.isKnown(request.headers);
      answer(
        reply,
        isKnown ? new DkvError('DKV_INVALID_ARGUMENT', error.message) : forbidden(API_KEY_HEADER),
      );
    },
  });
  takeBodies(adapter, valueBytesMax);
  // A hook and not a Nest guard: guards run after the body was read and parsed, and not for unknown routes.
  adapter.getInstance().addHook('onRequest', (request, reply, done) => {
    const refused = refusal(request, gate);
    if (refused) {
      if (request.url.startsWith('/peer/')) {
        tellOfRefused(gate.observer, nodeIdIn(request.headers), request.ip, refused);
      }
      answer(reply, refused);
    } else {
      done();
    }
  });
  adapter.getInstance().addHook('onResponse', (request, reply, done) => {
    gate.telemetry?.httpRequest(routeOf(request), reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  // A request that was under way when the stop began must not keep its connection.
  adapter.getInstance().addHook('onSend', (_request, reply, _payload, done) => {
    if (gate.stopping) {
      reply.header('Connection', 'close');
    }
    done();
  });
  return adapter;
}

/** Bytes of peers and JSON of REST, and nothing else; forms and plain text, which browsers send to any site, are refused. */
function takeBodies(adapter: FastifyAdapter, valueBytesMax: number): void {
  const server = adapter.getInstance();
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    PEER_CONTENT_TYPE,
    { parseAs: 'buffer', bodyLimit: peerBodyBytesMax(valueBytesMax) },
    (_request, body, done) => done(null, body),
  );
  server.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (hasFewValues(body, JSON_VALUES_MAX)) {
      void parse(request, body, done);
    } else {
      done(new DkvError('DKV_INVALID_ARGUMENT', `The body has more than ${JSON_VALUES_MAX} values.`));
    }
  });
}

/** Loaded where there is a peer port: a node that is alone in an Express application does without. */
async function fastifyAdapter(): Promise<typeof FastifyAdapter> {
  try {
    return (await import('@nestjs/platform-fastify')).FastifyAdapter;
  } catch (cause) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      'A node with a peer port (option discovery or adminKey) serves it by @nestjs/platform-fastify, which cannot be loaded: ' +
        `${cause instanceof Error ? cause.message : String(cause)}. Install it in the major version of your ` +
        '@nestjs/core, as in: npm install @nestjs/platform-fastify@12',
      { cause },
    );
  }
}

function refusal(
  request: FastifyRequest,
  { keys, bindsNodeIds, stopping }: ServerGate,
): DkvError | undefined {
  const { is404, url, routeOptions, headers, raw } = request;
  // The route that was found, and not what was asked for: a path has many spellings, as /%61dmin for /admin.
  const path = is404 ? url : routeOptions.url!;
  return (
    keys.refusalOf(path, headers) ??
    (bindsNodeIds && path.startsWith('/peer/') ? impostorFault(headers, raw.socket) : undefined) ??
    (stopping ? new DkvError('DKV_NOT_READY', 'The node is closing.') : undefined)
  );
}

/** As it was declared, whatever was asked for: metrics have a label of it. */
function routeOf({ is404, method, routeOptions }: FastifyRequest): string {
  return is404 ? 'other' : `${method} ${routeOptions.url}`;
}

/** Who is refused keeps no connection: it would have a place among those without a key until its time is over. */
function answer(reply: FastifyReply, error: DkvError): void {
  void reply.code(error.status).header('Connection', 'close').send(error.toJSON());
}

/** What is not HTTP, or too slow: there is no request to answer. */
function refuseMalformed(socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const error = new DkvError('DKV_INVALID_ARGUMENT', 'The request is malformed, too large or too slow.');
  const body = JSON.stringify(error);
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
