/** Asks the cluster: the first of the addresses given that answers, or one node by name; errors become messages and exit codes. */
import { type Clock } from '../../ports/clock.js';
import { CommandFailure } from '../command-failure.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { type Connection } from './connection.js';
import { askNode, type NodeAnswer, NoAnswer, type NodeRequest } from './node-request.js';

const EXIT_OF_ERROR: Readonly<Record<string, ExitCode>> = {
  DKV_FORBIDDEN: EXIT.forbidden,
  DKV_KEY_NOT_FOUND: EXIT.noValue,
  DKV_CONFLICT: EXIT.conflict,
  DKV_INDETERMINATE: EXIT.indeterminate,
};
const REMEDY_OF_ERROR: Readonly<Record<string, string>> = {
  DKV_FORBIDDEN: 'Give the key that the node has as option adminKey, by DKV_ADMIN_KEY or --admin-key-file.',
  ROUTE_NOT_FOUND:
    'The node runs a version of nestjs-dkv that cannot be asked this: ask another one, or update it.',
};

export class ClusterClient {
  constructor(
    private readonly connection: Connection,
    private readonly clock: Clock,
  ) {}

  /**
   * Asks the addresses in their order. `field`: what every such answer has, to know one of another server by.
   * @throws CommandFailure, `unreachable` where none answers
   */
  async read<T>(path: string, field: keyof T & string): Promise<T> {
    return this.firstAnswer({ method: 'GET', path }, true, field);
  }

  /**
   * Goes on to the next address only where the one before cannot have been reached: sent twice, a write could undo another
   * one's in between. `field`: as of `read`; without one nothing is asked of the answer.
   * @throws CommandFailure, `indeterminate` where it may have taken effect
   */
  async write<T = void>(request: NodeRequest, field?: keyof T & string): Promise<T> {
    return this.firstAnswer(request, false, field);
  }

  /** Asks the node there, by the protocol of the addresses given. @throws CommandFailure */
  async readAt<T>(
    { host, port }: { readonly host: string; readonly port: number },
    path: string,
    field: keyof T & string,
  ): Promise<T> {
    const url = new URL(
      `${this.connection.urls[0]!.protocol}//${host.includes(':') ? `[${host}]` : host}:${port}`,
    );
    const request: NodeRequest = { method: 'GET', path };
    try {
      return bodyOf<T>(url, request, await this.ask(url, request), field);
    } catch (error) {
      throw error instanceof NoAnswer ? new CommandFailure(EXIT.unreachable, error.message) : error;
    }
  }

  private async firstAnswer<T>(
    request: NodeRequest,
    mayRepeat: boolean,
    field: string | undefined,
  ): Promise<T> {
    const failures: string[] = [];
    for (const url of this.connection.urls) {
      try {
        return bodyOf<T>(url, request, await this.ask(url, request), field);
      } catch (error) {
        if (!(error instanceof NoAnswer)) {
          throw error;
        }
        if (error.mayHaveArrived && !mayRepeat) {
          throw new CommandFailure(
            EXIT.indeterminate,
            `${url.origin}: ${error.message}. It was sent and may have taken effect: look, before you do it again.`,
          );
        }
        failures.push(`  ${url.origin}: ${error.message}`);
      }
    }
    throw new CommandFailure(
      EXIT.unreachable,
      `no node answered. See whether they run and can be reached from here, or give other addresses by --url.\n${failures.join('\n')}`,
    );
  }

  private ask(url: URL, request: NodeRequest): Promise<NodeAnswer> {
    return askNode(url, request, this.connection, this.clock);
  }
}

function bodyOf<T>(
  url: URL,
  { method }: NodeRequest,
  { status, body }: NodeAnswer,
  field: string | undefined,
): T {
  if ((status === 200 || status === 204) && (field === undefined || hasField(body, field))) {
    return body as T;
  }
  if (!isErrorBody(body)) {
    throw new CommandFailure(
      EXIT.failed,
      `${url.origin} answered with status ${status}, and not as a node of this version of nestjs-dkv does: give the ` +
        'address of a peer port, and run the dkv that the nodes run.',
    );
  }
  const { code, message } = body;
  const isUnknown = method !== 'GET' && status === 504;
  const remedy = REMEDY_OF_ERROR[code];
  throw new CommandFailure(
    EXIT_OF_ERROR[code] ?? (isUnknown ? EXIT.indeterminate : EXIT.failed),
    `${url.origin}: ${code}: ${message}${remedy === undefined ? '' : ` ${remedy}`}`,
  );
}

function hasField(body: unknown, field: string): boolean {
  return typeof body === 'object' && body !== null && field in body;
}

function isErrorBody(body: unknown): body is { readonly code: string; readonly message: string } {
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown };
  return typeof code === 'string' && typeof message === 'string';
}
