/** Clients of locks: acquire, renew, release; what they were given is kept for the checker. */
import { type ClientDesk, type Target } from './client-desk.js';
import { type AnswerBody, type Reply } from './http-caller.js';
import { type LockHold } from './lock-checker.js';
import { type Client } from './workload.js';

/** A lock key in the hands of clients. */
export interface LockState {
  readonly key: string;
  /** What was given and not released, as far as clients still care; more than one only where holds expire. */
  readonly given: GivenLock[];
}

export interface GivenLock {
  readonly hold: LockHold;
  readonly token: string;
}

const TTL_MIN_MS = 300;
const TTL_SPREAD_MS = 5_000;

export class LockClients {
  private holds: LockHold[] = [];

  constructor(private readonly desk: ClientDesk) {}

  /** One request about one lock; whether the node is worth another. */
  async step(client: Client, state: LockState): Promise<boolean> {
    const { random, target } = client;
    if (state.given.length === 0 || random.chance(0.4)) {
      return this.acquire(client, state);
    }
    // Taken out, so that nobody else uses it meanwhile.
    const [given] = state.given.splice(random.int(state.given.length), 1);
    const { hold, token } = given!;
    const release = random.chance(0.6);
    const askedAt = this.desk.recorder.tick();
    const body = release ? { token } : { token, ttlMs: TTL_SPREAD_MS };
    const reply = await this.send(target, release ? 'DELETE' : 'PUT', state.key, body);
    if (succeeded(reply)) {
      hold.heldUntil = askedAt;
      if (!release) {
        state.given.push(given!);
      }
    }
    return isHealthy(reply);
  }

  /** All holds so far; they are forgotten. */
  take(): readonly LockHold[] {
    const taken = this.holds;
    this.holds = [];
    return taken;
  }

  private async acquire({ name, random, target }: Client, state: LockState): Promise<boolean> {
    const { recorder } = this.desk;
    const invoked = recorder.tick();
    const ttlMs = TTL_MIN_MS + random.int(TTL_SPREAD_MS);
    const askedMs = performance.now();
    const reply = await this.send(target, 'POST', state.key, { ttlMs });
    const tookMs = performance.now() - askedMs;
    const returned = recorder.tick();
    const { token, fencing } = reply.kind === 'answer' ? reply.body : ({} as AnswerBody);
    if (succeeded(reply) && token !== undefined && fencing !== undefined) {
      // An answer that took longer than the lock lives may find that it has been given to another.
      const heldUntil = tookMs < ttlMs ? returned : invoked;
      const hold = { key: state.key, client: name, fencing, invoked, returned, heldUntil };
      this.holds.push(hold);
      state.given.push({ hold, token });
    }
    return isHealthy(reply);
  }

  private async send(target: Target, method: string, key: string, body: object): Promise<Reply> {
    const { recorder } = this.desk;
    const reply = await target.send(method, `/locks/${key}`, { body });
    if (reply.kind !== 'answer') {
      recorder.count({ kind: reply.kind === 'refused' ? 'notApplied' : 'indeterminate' });
    } else if (succeeded(reply)) {
      recorder.count({ kind: 'ok' });
    } else {
      recorder.count({ kind: reply.status === 409 ? 'mismatch' : 'indeterminate' });
      if (reply.status < 500 && reply.status !== 409 && reply.status !== 404) {
        this.desk.noteUnexpected(method, `/locks/${key}`, reply.status, reply.body);
      }
    }
    return reply;
  }
}

function succeeded(reply: Reply): boolean {
  return reply.kind === 'answer' && reply.status >= 200 && reply.status < 300;
}

function isHealthy(reply: Reply): boolean {
  return reply.kind === 'answer' && reply.status < 500;
}
