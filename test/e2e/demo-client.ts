/** What a caller of the demo does over HTTP, byte for byte: paths go out as they are given. */
import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed JSON, or undefined where the answer is none. */
  readonly body: AnswerBody;
}

/** Fields of the answers that the tests look at. */
export interface AnswerBody {
  readonly code?: string;
  readonly message?: string;
  readonly key?: string;
  readonly value?: unknown;
  readonly modified?: number;
  readonly version?: string;
  readonly removed?: boolean;
  readonly status?: string;
  readonly nodeId?: string;
  readonly nodes?: readonly {
    readonly nodeId: string;
    readonly state: string;
    readonly votersMissing: number;
    readonly reason: string;
    readonly partitions: { readonly holder: number; readonly replica: number };
  }[];
}

export interface RequestParts {
  readonly headers?: Record<string, string>;
  /** Sent as it is. */
  readonly body?: string;
}

/** No answer of the demo takes longer: its own limits are 10 seconds and less. */
const TIMEOUT_MS = 30_000;

export class DemoClient {
  constructor(private readonly port: number) {}

  put(key: string, value: unknown, query = ''): Promise<Answer> {
    return this.send('PUT', `${itemPath(key)}${query}`, { body: JSON.stringify(value) });
  }

  get(key: string, consistency: 'one' | 'quorum' = 'one'): Promise<Answer> {
    return this.send('GET', `${itemPath(key)}?consistency=${consistency}`);
  }

  remove(key: string): Promise<Answer> {
    return this.send('DELETE', itemPath(key));
  }

  /** Rejects when no answer comes: nobody listens, or the connection breaks. */
  send(method: string, path: string, { headers = {}, body }: RequestParts = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const json = body === undefined ? {} : { 'content-type': 'application/json' };
      // A connection of its own: none is left over from a process that was killed meanwhile.
      const sent = request(
        { host: '127.0.0.1', port: this.port, method, path, agent: false, headers: { ...json, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('error', reject);
          response.once('end', () => {
            const text = Buffer.concat(chunks).toString();
            const { statusCode: status = 0, headers } = response;
            resolve({ status, headers, text, body: parsed(text) });
          });
        },
      );
      sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error(`${method} ${path} got no answer in time.`)));
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

export function itemPath(key: string): string {
  return `/items/${encodeURIComponent(key)}`;
}

function parsed(text: string): AnswerBody {
  try {
    return JSON.parse(text) as AnswerBody;
  } catch {
    return {};
  }
}
