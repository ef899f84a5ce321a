/** The demo's HTTP API over one map in this process, right or wrong on purpose: what the harness is tested with. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type Target } from './client-desk.js';
import { HttpCaller } from './http-caller.js';

export type PlantedBug =
  | 'loses acknowledged writes'
  | 'reads what was there before'
  | 'counts twice'
  | 'brings deleted values back'
  | 'shows refused writes'
  | 'gives a lock to two'
  | 'forgets request ids';

interface Item {
  readonly value: unknown;
  readonly version: string;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

const NODES = 3;
const BUG_CHANCE = 0.25;
const BROKEN_CHANCE = 0.05;
const REFUSED_CHANCE = 0.02;

export class PretendStore {
  readonly targets: readonly Target[];
  private readonly items = new Map<string, Item>();
  private readonly former = new Map<string, Item | undefined>();
  private readonly locks = new Map<string, { token: string; endsMs: number }>();
  private readonly done = new Map<string, Answer>();
  private readonly random = new SimRandom('pretend');
  private stamps = 0;
  private calm = false;

  private constructor(
    private readonly servers: readonly Server[],
    private readonly callers: readonly HttpCaller[],
    private readonly bug: PlantedBug | undefined,
  ) {
    this.targets = callers.map((caller, index) => ({
      incarnation: `node${index + 1}#1`,
      send: (method, path, parts) => caller.send(method, path, parts),
    }));
    servers.forEach((server) =>
      server.on('request', (request, response) => void this.serve(request, response)),
    );
  }

  static async open(bug?: PlantedBug): Promise<PretendStore> {
    const servers = Array.from({ length: NODES }, () => createServer());
    await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
    const callers = servers.map(
      (server) => new HttpCaller('127.0.0.1', (server.address() as AddressInfo).port),
    );
    return new PretendStore(servers, callers, bug);
  }

  /** From here on every request gets its answer, as from nodes that are healed. */
  heal(): void {
    this.calm = true;
  }

  close(): void {
    this.callers.forEach((caller) => caller.close());
    this.servers.forEach((server) => server.close());
  }

  /** Takes effect at one moment between two waits; sometimes the answer is lost, sometimes the request refused. */
  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) {
      text += chunk as string;
    }
    await pause(this.random.int(3));
    const id = request.headers['idempotency-key'] as string | undefined;
    const known = id === undefined || this.bug === 'forgets request ids' ? undefined : this.done.get(id);
    const body = text === '' ? undefined : (JSON.parse(text) as unknown);
    const answer = known ?? this.answer(request.method!, new URL(request.url!, 'http://x'), body);
    if (id !== undefined && answer.status === 200) {
      this.done.set(id, answer);
    }
    await pause(this.random.int(3));
    if (!this.calm && this.random.chance(BROKEN_CHANCE)) {
      request.socket.destroy();
    } else {
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
    }
  }

  private answer(method: string, { pathname, searchParams }: URL, body: unknown): Answer {
    const [, folder, key = ''] = pathname.split('/');
    if (folder === 'locks') {
      return this.lock(method, key, body as { token?: string; ttlMs?: number });
    }
    if (folder === 'counters' && method === 'POST') {
      return this.count(key, (body as { by: number }).by);
    }
    const current = this.items.get(key);
    if (method === 'GET') {
      const stale = this.errs('reads what was there before') && searchParams.get('consistency') !== 'one';
      const shown = stale ? this.former.get(key) : current;
      return shown ? { status: 200, body: shown } : refusal(404, 'DKV_KEY_NOT_FOUND');
    }
    if (this.random.chance(REFUSED_CHANCE)) {
      if (this.errs('shows refused writes', 1) && method === 'PUT') {
        this.store(key, body);
      }
      return refusal(503, 'DKV_QUORUM_NOT_REACHED');
    }
    const expected = searchParams.get('ifVersion');
    if (expected !== null && (expected === 'absent' ? current : current?.version !== expected)) {
      return refusal(409, 'DKV_CONFLICT');
    }
    if (method === 'DELETE') {
      if (!this.errs('brings deleted values back')) {
        this.former.set(key, current);
        this.items.delete(key);
      }
      return { status: 200, body: { removed: current !== undefined } };
    }
    const version = this.errs('loses acknowledged writes') ? this.nextVersion() : this.store(key, body);
    return { status: 200, body: { key, version } };
  }

  private count(key: string, by: number): Answer {
    const value = Number(this.items.get(key)?.value ?? 0) + by;
    this.store(key, this.errs('counts twice') ? value + by : value);
    return { status: 200, body: { value } };
  }

  private lock(
    method: string,
    key: string,
    { token, ttlMs = 0 }: { token?: string; ttlMs?: number },
  ): Answer {
    const held = this.locks.get(key);
    const free = held === undefined || held.endsMs < performance.now();
    if (method === 'POST') {
      if (!free && !this.errs('gives a lock to two')) {
        return refusal(409, 'DKV_CONFLICT');
      }
      const given = { token: this.nextVersion(), endsMs: performance.now() + ttlMs };
      this.locks.set(key, given);
      return { status: 200, body: { token: given.token, fencing: this.stamps } };
    }
    if (this.bug !== 'gives a lock to two' && (free || held?.token !== token)) {
      return refusal(409, 'DKV_CONFLICT');
    }
    this.locks.delete(key);
    if (method === 'PUT') {
      this.locks.set(key, { token: token!, endsMs: performance.now() + ttlMs });
    }
    return { status: 200, body: {} };
  }

  private store(key: string, value: unknown): string {
    const version = this.nextVersion();
    this.former.set(key, this.items.get(key));
    this.items.set(key, { value, version });
    return version;
  }

  private nextVersion(): string {
    return String(++this.stamps).padStart(10, '0');
  }

  private errs(bug: PlantedBug, chance = BUG_CHANCE): boolean {
    return this.bug === bug && this.random.chance(chance);
  }
}

function refusal(status: number, code: string): Answer {
  return { status, body: { code, message: '' } };
}
