/** HTTP for discovery, on real sockets: what ends, what is refused, what is followed. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { issue } from '../../testing/certificates.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { HttpStatusError, jsonOf, NodeHttp } from './discovery-http.js';

const clock = new ManualClock();
const http = new NodeHttp(clock);
let server: Server | undefined;

async function listening(created: Server): Promise<number> {
  server = created;
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve));
  return (created.address() as AddressInfo).port;
}

async function serve(answer: RequestListener): Promise<URL> {
  return new URL(`http://127.0.0.1:${await listening(createServer(answer))}/path`);
}

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  expect(clock.pendingTimers).toBe(0);
});

describe('a question', () => {
  it('carries method, headers and JSON, and resolves with whatever is answered', async () => {
    const url = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (body: string) => {
        response.writeHead(418, { 'X-Of-Server': 'yes' });
        response.end(`${request.method} ${request.url} ${String(request.headers['x-key'])} ${body}`);
      });
    });
    const answer = await http.ask({
      method: 'PUT',
      url,
      headers: { 'X-Key': 'k' },
      body: { a: 1 },
      timeoutMs: 1_000,
    });
    expect(answer).toMatchObject({ status: 418, text: 'PUT /path k {"a":1}' });
    expect(answer.headers['x-of-server']).toBe('yes');
  });

  it('is over when its time is, also in the middle of an answer', async () => {
    let begun!: () => void;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const url = await serve((_, response) => {
      response.write('a part');
      begun();
    });
    const asked = http.ask({ method: 'GET', url, timeoutMs: 1_000 });
    await beginning;
    clock.advance(1_000);
    await expect(asked).rejects.toThrow('it did not answer within 1000 ms');
  });

  it('is over when nobody waits for it', async () => {
    const gone = new AbortController();
    const url = await serve(() => gone.abort());
    await expect(http.ask({ method: 'GET', url, timeoutMs: 1_000, signal: gone.signal })).rejects.toThrow(
      'it was not waited for',
    );
  });

  it('takes no answer without end', async () => {
    const chunk = Buffer.alloc(1024 * 1024);
    const url = await serve((_, response) => {
      const push = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', push);
      push();
    });
    await expect(http.ask({ method: 'GET', url, timeoutMs: 1_000 })).rejects.toThrow(
      'its answer is larger than 8388608 bytes',
    );
  });

  it('does not follow to somewhere else', async () => {
    const paths: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      paths.push(request.url);
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    const answer = await http.ask({ method: 'GET', url, timeoutMs: 1_000 });
    expect(() => jsonOf(answer)).toThrow('it answers with status 302, and redirects are not followed');
    expect(paths).toEqual(['/path']);
  });

  it('fails where nobody listens', async () => {
    const url = await serve(() => undefined);
    await new Promise((resolve) => server!.close(resolve));
    await expect(http.ask({ method: 'GET', url, timeoutMs: 1_000 })).rejects.toThrow(/ECONNREFUSED/);
  });

  it('trusts a certificate of the CA that it is given, and of that alone', async () => {
    const ca = issue('CA of the tests');
    const { key, cert } = issue('localhost', { issuer: ca });
    const port = await listening(createTlsServer({ key, cert }, (_, response) => response.end('{}')));
    const question = { method: 'GET', url: new URL(`https://localhost:${port}`), timeoutMs: 10_000 } as const;
    expect((await http.ask({ ...question, ca: ca.cert })).text).toBe('{}');
    await expect(http.ask(question)).rejects.toThrow(/certificate/);
  });
});

describe('an answer that goes on', () => {
  it('is told by line, however it is cut, until its time is over', async () => {
    const url = await serve((_, response) => {
      response.write('{"at":1}\n{"at"');
      response.write(':2}\n\n{"at":3');
    });
    const lines: string[] = [];
    await http.lines({ method: 'GET', url, timeoutMs: 60_000 }, (line) => {
      lines.push(line);
      if (lines.length === 2) {
        setImmediate(() => clock.advance(60_000));
      }
    });
    expect(lines).toEqual(['{"at":1}', '{"at":2}']);
  });

  it('ends with the server, and with the signal', async () => {
    const url = await serve((_, response) => response.end('1\n'));
    const stop = new AbortController();
    await http.lines({ method: 'GET', url, timeoutMs: 60_000 }, () => undefined);
    await http.lines({ method: 'GET', url, timeoutMs: 60_000, signal: stop.signal }, () => stop.abort());
  });

  it.each<[string, RequestListener, RegExp]>([
    ['a status', (_, response) => response.writeHead(410).end('gone'), /^it answers with status 410: gone$/],
    [
      'a connection that breaks',
      (_, response) => response.write('1\n', () => response.destroy()),
      /aborted|hang up/,
    ],
    [
      'a line without end',
      (_, response) => response.end(Buffer.alloc(9 * 1024 * 1024)),
      /a line of its answer is larger/,
    ],
    ['whoever reads it', (_, response) => response.write('no JSON\n'), /is not valid JSON/],
  ])('fails by %s', async (_, answer, message) => {
    const url = await serve(answer);
    const reading = http.lines({ method: 'GET', url, timeoutMs: 60_000 }, (line) => void JSON.parse(line));
    await expect(reading).rejects.toThrow(message);
  });

  it('fails where none begins in time', async () => {
    const url = await serve(() => setImmediate(() => clock.advance(60_000)));
    await expect(http.lines({ method: 'GET', url, timeoutMs: 60_000 }, () => undefined)).rejects.toThrow(
      'it did not answer within 60000 ms',
    );
  });
});

it('a status is told with what the server says, in one line that has an end', () => {
  const { message } = new HttpStatusError(500, `bad\nnews\x1b[31m ${'x'.repeat(1_000)}`);
  expect(message).toMatch(/^it answers with status 500: bad news \[31m x{180,190}…$/);
});
