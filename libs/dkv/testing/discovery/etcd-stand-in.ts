/** The JSON gateway of etcd, as far as discovery asks it: leases, keys, watches from a revision, compaction. In memory. */
import { type Clock, type Timer } from '../../src/ports/clock.js';
import { awakened, type StandIn, type StandInAnswer, type StandInRequest } from './stand-in.js';

interface Lease {
  readonly ttlSeconds: number;
  readonly keys: Set<string>;
  timer: Timer;
}
interface Entry {
  readonly key: string;
  readonly value: string;
  readonly mod_revision: string;
}
interface Event {
  readonly type?: 'DELETE';
  readonly kv: { readonly key: string; readonly value?: string; readonly mod_revision: string };
}
interface Body {
  readonly name?: string;
  readonly password?: string;
  readonly ID?: string;
  readonly TTL?: string;
  readonly key?: string;
  readonly range_end?: string;
  readonly value?: string;
  readonly lease?: string;
  readonly create_request?: {
    readonly key: string;
    readonly range_end: string;
    readonly start_revision?: string;
  };
}

export class EtcdStandIn implements StandIn {
  private revision = 1;
  private clusterId = 1;
  private compacted = 0;
  private leases = new Map<string, Lease>();
  private entries = new Map<string, Entry & { readonly lease: string }>();
  private history: Event[] = [];
  private readonly watchers = new Set<() => void>();
  private leasesMade = 7_000;

  private tokens = new Set<string>();
  private tokensMade = 0;

  /** With `auth` nobody is heard without a token, which that user gets for the password. */
  constructor(
    private readonly clock: Clock,
    private readonly auth?: { readonly user: string; readonly password: string },
  ) {}

  /** As they do when nobody uses them for some minutes, or when etcd is started anew. */
  endTokens(): void {
    this.tokens.clear();
  }

  /** Events before now are forgotten, as etcd is told to now and then. */
  compact(): void {
    this.compacted = this.revision;
    this.history = [];
  }

  /** Another etcd takes its place, which has nothing. */
  replace(): void {
    for (const { timer } of this.leases.values()) {
      timer.cancel();
    }
    this.leases = new Map();
    this.entries = new Map();
    this.history = [];
    this.compacted = 0;
    this.revision = 1;
    this.clusterId++;
  }

  /** It is made anew from a backup: of a key that this lacks nobody is told that it is gone. */
  restore(lacking: string): void {
    this.entries.delete(Buffer.from(lacking).toString('base64'));
    this.history = [];
    this.revision += 1_000;
    this.clusterId++;
  }

  /** Keys that there are. */
  get keys(): readonly string[] {
    return [...this.entries.values()].map(({ key }) => Buffer.from(key, 'base64').toString());
  }

  /** Of leases. */
  get pendingTimers(): number {
    return this.leases.size;
  }

  async handle({ path, body, gone, headers }: StandInRequest): Promise<StandInAnswer> {
    const asked = body as Body;
    if (this.auth && path !== '/v3/auth/authenticate' && !this.tokens.has(headers.authorization ?? '')) {
      return { status: 401, body: { error: 'etcdserver: invalid auth token', code: 16 } };
    }
    switch (path) {
      case '/v3/auth/authenticate':
        return this.authenticate(asked);
      case '/v3/lease/grant':
        return { status: 200, body: this.grant(Number(asked.TTL)) };
      case '/v3/lease/keepalive':
        return {
          status: 200,
          body: { result: { header: this.header, ID: asked.ID, ...this.keepAlive(asked.ID!) } },
        };
      case '/v3/lease/revoke':
        return this.leases.has(asked.ID!)
          ? { status: 200, body: this.end(asked.ID!) }
          : { status: 404, body: { error: 'etcdserver: requested lease not found', code: 5 } };
      case '/v3/kv/put':
        return this.put(asked.key!, asked.value!, asked.lease!);
      case '/v3/kv/range':
        return { status: 200, body: { header: this.header, kvs: this.range(asked) } };
      case '/v3/watch':
        return { status: 200, lines: (push) => this.watch(asked.create_request!, push, gone) };
      default:
        return { status: 404, body: { error: 'Not Found' } };
    }
  }

  private get header(): { cluster_id: string; revision: string } {
    return { cluster_id: String(this.clusterId), revision: String(this.revision) };
  }

  private authenticate({ name, password }: Body): StandInAnswer {
    if (name !== this.auth?.user || password !== this.auth?.password) {
      const error = 'etcdserver: authentication failed, invalid user ID or password';
      return { status: 400, body: { error, code: 3 } };
    }
    const token = `token.${++this.tokensMade}`;
    this.tokens.add(token);
    return { status: 200, body: { header: this.header, token } };
  }

  private grant(ttlSeconds: number) {
    const ID = String(++this.leasesMade);
    const timer = this.clock.schedule(ttlSeconds * 1_000, () => this.end(ID));
    this.leases.set(ID, { ttlSeconds, keys: new Set(), timer });
    return { header: this.header, ID, TTL: String(ttlSeconds) };
  }

  /** Of a lease that has ended nothing. */
  private keepAlive(ID: string): { TTL?: string } {
    const lease = this.leases.get(ID);
    if (!lease) {
      return {};
    }
    lease.timer.cancel();
    lease.timer = this.clock.schedule(lease.ttlSeconds * 1_000, () => this.end(ID));
    return { TTL: String(lease.ttlSeconds) };
  }

  private end(ID: string) {
    const lease = this.leases.get(ID)!;
    lease.timer.cancel();
    this.leases.delete(ID);
    for (const key of lease.keys) {
      if (this.entries.get(key)?.lease === ID) {
        this.entries.delete(key);
        this.happened((mod_revision) => ({ type: 'DELETE', kv: { key, mod_revision } }));
      }
    }
    return { header: this.header };
  }

  private put(key: string, value: string, lease: string): StandInAnswer {
    if (!this.leases.has(lease)) {
      return { status: 404, body: { error: 'etcdserver: requested lease not found', code: 5 } };
    }
    this.leases.get(lease)!.keys.add(key);
    this.happened((mod_revision) => {
      this.entries.set(key, { key, value, mod_revision, lease });
      return { kv: { key, value, mod_revision } };
    });
    return { status: 200, body: { header: this.header } };
  }

  private happened(event: (revision: string) => Event): void {
    this.history.push(event(String(++this.revision)));
    this.watchers.forEach((wake) => wake());
  }

  private range(within: { readonly key?: string; readonly range_end?: string }): Entry[] {
    return [...this.entries.values()]
      .filter(({ key }) => isWithin(key, within))
      .map(({ key, value, mod_revision }) => ({ key, value, mod_revision }));
  }

  private async watch(
    { start_revision, ...within }: NonNullable<Body['create_request']>,
    push: (line: unknown) => void,
    gone: AbortSignal,
  ): Promise<void> {
    let next = Number(start_revision ?? this.revision + 1);
    push({ result: { header: this.header, created: true } });
    while (!gone.aborted) {
      if (next <= this.compacted) {
        push({ result: { header: this.header, canceled: true, compact_revision: String(this.compacted) } });
        return;
      }
      const events = this.history.filter(
        ({ kv }) => Number(kv.mod_revision) >= next && isWithin(kv.key, within),
      );
      next = Math.max(next, this.revision + 1);
      if (events.length > 0) {
        push({ result: { header: this.header, events } });
      }
      await awakened(this.watchers, gone);
    }
  }
}

function isWithin(
  key: string,
  { key: from, range_end: end }: { readonly key?: string; readonly range_end?: string },
) {
  const [at, first, last] = [key, from!, end!].map((text) => Buffer.from(text, 'base64'));
  return Buffer.compare(at!, first!) >= 0 && Buffer.compare(at!, last!) < 0;
}
