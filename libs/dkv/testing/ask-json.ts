/** One HTTP request on loopback, written as a script would, and its answer in JSON. */
import { request as httpRequest } from 'node:http';

export interface JsonAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface JsonRequest {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  /** In JSON, and sent as that. */
  readonly body?: string | undefined;
}

/** Not `fetch`, which normalises paths. */
export function askJson({ body, headers, ...options }: JsonRequest): Promise<JsonAnswer> {
  const all = { ...(body && { 'Content-Type': 'application/json' }), ...headers };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', agent: false, headers: all, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
