/** The demo's API over one map, in virtual time, right or wrong on purpose: the harness is tested with it. */
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type SimScheduler } from '../../libs/dkv/testing/simulation/sim-scheduler.js';
import { type Target } from './client-desk.js';
import { type Reply, type RequestParts } from './http-caller.js';

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

  constructor(
    private readonly scheduler: SimScheduler,
    private readonly bug: PlantedBug | undefined,
  ) {
    this.targets = Array.from({ length: NODES }, (_, index) => ({
      incarnation: `node${index + 1}#1`,
      send: (method, path, parts) => this.serve(method, path, parts),
    }));
  }

  /** From here on every request gets its answer, as from nodes that are healed. */
  heal(): void {
    this.calm = true;
  }

  /** Takes effect at one moment between two waits; sometimes the answer is lost, sometimes the request refused. */
  private async serve(method: string, path: string, { body, headers }: RequestParts = {}): Promise<Reply> {
    await this.scheduler.sleep(this.random.int(3));
    const id = headers?.['idempotency-key'];
    const known = id === undefined || this.bug === 'forgets request ids' ? undefined : this.done.get(id);
    const answer = known ?? this.answer(method, new URL(path, 'http://x'), body);
    if (id !== undefined && answer.status === 200) {
      this.done.set(id, answer);
    }
    await this.scheduler.sleep(this.random.int(3));
    return !this.calm && this.random.chance(BROKEN_CHANCE)
      ? { kind: 'broken' }
      : { kind: 'answer', ...answer };
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
    const free = held === undefined || held.endsMs < this.scheduler.nowMs;
    if (method === 'POST') {
      if (!free && !this.errs('gives a lock to two')) {
        return refusal(409, 'DKV_CONFLICT');
      }
      const given = { token: this.nextVersion(), endsMs: this.scheduler.nowMs + ttlMs };
      this.locks.set(key, given);
      return { status: 200, body: { token: given.token, fencing: this.stamps } };
    }
    if (this.bug !== 'gives a lock to two' && (free || held?.token !== token)) {
      return refusal(409, 'DKV_CONFLICT');
    }
    this.locks.delete(key);
    if (method === 'PUT') {
      this.locks.set(key, { token: token!, endsMs: this.scheduler.nowMs + ttlMs });
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
