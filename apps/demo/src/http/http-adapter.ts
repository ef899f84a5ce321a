/** The Fastify server of the application: long keys in paths, any JSON as a body, limits on what strangers and web pages may do. */
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import { DkvError } from 'nestjs-dkv';
import { isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';

const MIB = 1024 * 1024;
/** A value of 1 MiB whose every byte is escaped as `\u0000`, and its surroundings. */
const BODY_BYTES_MAX = 6 * MIB + 1024;
/** A key of 1024 bytes takes 3072 characters in a path; Node's own limit is 16 KiB for line and headers. */
const HEADER_BYTES_MAX = 16 * 1024;

/** Host names that no public zone has; one without a dot is none of these either. */
const PRIVATE_NAMES = /(^[^.]+|\.(localhost|local|internal))$/i;

/** `host`: the address that is listened on, by which callers may know it. */
export function createHttpAdapter(host = '127.0.0.1'): FastifyAdapter {
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: 30_000,
    forceCloseConnections: 'idle',
    // Until the listener is closed the store still works: a request that came in is answered, not turned away.
    return503OnClosing: false,
    // Fastify's default of 100 would turn long keys into unknown routes.
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    http: { headersTimeout: 10_000, maxHeaderSize: HEADER_BYTES_MAX },
    clientErrorHandler: (_error, socket) => refuseMalformed(socket),
    // A path that is not percent-encoded UTF-8 comes here before any route.
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      const refused = new DkvError(
        'DKV_INVALID_ARGUMENT',
        `${error.message}. Percent-encode the key as UTF-8.`,
      );
      void reply.code(refused.status).send(refused.toJSON());
    },
  });
  refuseOtherSites(adapter, host);
  takeJson(adapter);
  return adapter;
}

/**
 * A page whose own name is made to lead here has a browser ask as if this were its site (DNS rebinding); what it cannot do is to
 * leave its name out of the Host header.
 */
function refuseOtherSites(adapter: FastifyAdapter, host: string): void {
  const known = [host, hostname()];
  adapter.getInstance().addHook('onRequest', (request, reply, done) => {
    const name = request.hostname.replace(/^\[|\]$/g, '');
    if (isIP(name) || PRIVATE_NAMES.test(name) || known.includes(name)) {
      done();
      return;
    }
    const refused = new DkvError(
      'DKV_FORBIDDEN',
      'The Host header names no host of the demo: ask by its address.',
    );
    void reply.code(refused.status).send(refused.toJSON());
  });
}

/**
 * JSON has to be called that. A browser sends what is called a form or plain text to any site without asking it, so that a page could
 * write here; and a value stored as a form's fields would be a surprise.
 */
function takeJson(adapter: FastifyAdapter): void {
  const server = adapter.getInstance();
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, _body, done) => {
    done(
      new DkvError(
        'DKV_INVALID_ARGUMENT',
        'The body is to be JSON. Send the header Content-Type: application/json.',
      ),
    );
  });
  server.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') {
      done(null, undefined);
      return;
    }
    void parse(request, body, (error: Error | null, value?: unknown) => {
      done(error && new DkvError('DKV_INVALID_ARGUMENT', 'The body is not JSON that can be stored.'), value);
    });
  });
}

/** What is not HTTP, too large or too slow: there is no request to answer. */
function refuseMalformed(socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(
    new DkvError(
      'DKV_INVALID_ARGUMENT',
      'The request is malformed, its path or headers are too long, or it is too slow.',
    ),
  );
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
