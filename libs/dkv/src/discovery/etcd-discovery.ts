/** Nodes by etcd: each keeps a key under a lease and watches those of the others. Speaks the JSON gateway of etcd 3.4 and later. */
import { Buffer } from 'node:buffer';
import { Accepts, Hides, Whole } from '../dkv.option-decorators.js';
import { type ClusterNode } from '../model/node.js';
import { HttpStatusError, jsonOf } from './discovery-http.js';
import { type DiscoveryWorld, discoveryWorld } from './discovery-world.js';
import { announcedNode, announcementOf } from './found-node.js';
import { below, isServiceUrl, PemTexts, SERVICE_URL, type ServiceTls } from './service-url.js';
import { checked, WATCHED_DEFAULTS, WatchedDiscovery, WatchedDiscoveryOptions } from './watched-discovery.js';

const ENDPOINTS_MAX = 16;

export class EtcdDiscoveryOptions extends WatchedDiscoveryOptions {
  /** The client URLs of etcd's members, `http://etcd:2379`: one after the other is asked until one answers. */
  @Accepts('endpoints', areEndpoints, `give 1 to ${ENDPOINTS_MAX} URLs; of each, ${SERVICE_URL}`)
  endpoints!: readonly string[];

  /** Of the keys of one cluster: nodes that share it find each other. Default: `/dkv/nodes/`. */
  @Accepts('prefix', isPrefix, 'give 1 to 200 characters that end with a slash')
  prefix?: string;

  /** A node that is not heard is forgotten after so long. Lower costs messages: one each third of it. Default: 15 s. */
  @Whole(3_000, 3_600_000, 'milliseconds')
  ttlMs?: number;

  /** `{ ca, cert, key }`, in PEM, all optional: the CA that etcd's certificate is of, and what etcd is shown. */
  @PemTexts()
  tls?: ServiceTls;

  /** `{ user, password }` of etcd, where it asks for one; give `https:` URLs then. Default: none. */
  @Hides('auth', isAuth, 'give { user, password }, texts of 1 to 256 characters')
  auth?: EtcdAuth;
}

export interface EtcdAuth {
  readonly user: string;
  readonly password: string;
}

const DEFAULTS = {
  ...WATCHED_DEFAULTS,
  prefix: '/dkv/nodes/',
  ttlMs: 15_000,
  tls: {},
} as const satisfies Omit<EtcdDiscoveryOptions, 'endpoints' | 'auth'>;

/** A watch ends after so long and goes on where it was: a connection that is dead without having said so is found by that. */
const WATCH_MS = 60_000;

interface Header {
  readonly header: { readonly cluster_id: string; readonly revision: string };
}
interface KeyValue {
  readonly key: string;
  readonly value?: string;
}
interface WatchAnswer {
  readonly error?: { readonly message?: string };
  readonly result?: Header & {
    readonly created?: boolean;
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    readonly compact_revision?: string;
    /** What was put has no type: it is the default. */
    readonly events?: readonly { readonly type?: 'DELETE'; readonly kv: KeyValue }[];
  };
}

/** The nodes as they were at a revision of etcd. */
interface Seen {
  readonly clusterId: string;
  revision: bigint;
  readonly nodes: Map<string, ClusterNode>;
}

/**
 * A node's key is `prefix` and its id. It ends with the lease that its process keeps alive, or at once when the process stops in
 * order. The watch goes on from the revision that was seen last; where etcd has compacted that away, has gone back behind it or is
 * another one, all is read again.
 */
export class EtcdDiscovery extends WatchedDiscovery {
  readonly isRegistry = true;
  protected override readonly renewEveryMs: number;
  private readonly options: Required<Omit<EtcdDiscoveryOptions, 'allowedHosts' | 'auth'>> &
    Pick<EtcdDiscoveryOptions, 'auth'>;
  /** That etcd gave for user and password. */
  private token: string | undefined;
  private endpoint = 0;
  private lease: string | undefined;
  private seen: Seen | undefined;

  /** @throws DkvError `DKV_INVALID_OPTIONS` @param world for tests */
  constructor(options: EtcdDiscoveryOptions, world: Partial<DiscoveryWorld> = {}) {
    const given = { ...DEFAULTS, ...checked(EtcdDiscoveryOptions, options, 'endpoints') };
    super(`etcd at ${given.endpoints.join(', ')}`, discoveryWorld(world), given);
    this.options = given;
    this.renewEveryMs = given.ttlMs / 3;
  }

  protected async list(signal: AbortSignal): Promise<readonly ClusterNode[]> {
    return [...(await this.read(signal)).nodes.values()];
  }

  protected override async announce(self: ClusterNode, signal: AbortSignal): Promise<void> {
    const { prefix, ttlMs } = this.options;
    const TTL = String(Math.ceil(ttlMs / 1_000));
    const { ID } = await this.call<{ ID: string }>('/v3/lease/grant', { TTL }, signal);
    this.lease = ID;
    const value = base64(JSON.stringify(announcementOf(self)));
    await this.call('/v3/kv/put', { key: base64(prefix + self.nodeId), value, lease: ID }, signal);
    // A watch that goes on would begin with what was before.
    this.seen = undefined;
  }

  protected override async renew(self: ClusterNode, signal: AbortSignal): Promise<void> {
    const { result } = await this.call<{ result?: { TTL?: string } }>(
      '/v3/lease/keepalive',
      { ID: this.lease },
      signal,
    );
    // Of a lease that has ended no time is left.
    if (!(Number(result?.TTL) > 0)) {
      await this.announce(self, signal);
    }
  }

  protected override async withdraw(_self: ClusterNode, signal: AbortSignal): Promise<void> {
    // With its lease the key goes, unless another process has put it since.
    await this.call('/v3/lease/revoke', { ID: this.lease }, signal);
  }

  protected async follow(tell: (nodes: readonly ClusterNode[]) => void, signal: AbortSignal): Promise<void> {
    if (!this.seen) {
      this.seen = await this.read(signal);
      tell([...this.seen.nodes.values()]);
    }
    const { seen } = this;
    const stop = new AbortController();
    const create_request = { ...this.range, start_revision: String(seen.revision + 1n) };
    await this.authenticate(signal);
    const watch = { ...this.question('/v3/watch'), body: { create_request }, timeoutMs: WATCH_MS };
    try {
      await this.world.http.lines({ ...watch, signal: AbortSignal.any([signal, stop.signal]) }, (line) => {
        if (this.take(JSON.parse(line) as WatchAnswer, seen)) {
          tell([...seen.nodes.values()]);
        } else {
          this.seen = undefined;
          stop.abort();
        }
      });
    } catch (error) {
      // It may have ended with its token, which a watch is not told of.
      this.token = undefined;
      this.nextEndpoint();
      throw error;
    }
  }

  /** False where what was seen cannot be gone on from. @throws Error where the watch has failed */
  private take({ result, error }: WatchAnswer, seen: Seen): boolean {
    if (!result || error) {
      throw new Error(`its watch has failed: ${error?.message ?? 'no result'}`);
    }
    const { header, compact_revision } = result;
    const revision = BigInt(header.revision);
    if (compact_revision !== undefined || header.cluster_id !== seen.clusterId || revision < seen.revision) {
      return false;
    }
    if (result.canceled) {
      throw new Error(`it has ended the watch: ${result.cancel_reason ?? 'without a reason'}`);
    }
    for (const { type, kv } of result.events ?? []) {
      const node = this.nodeOf(kv);
      if (type === 'DELETE') {
        seen.nodes.delete(node.nodeId);
      } else {
        seen.nodes.set(node.nodeId, node);
      }
    }
    if (result.events) {
      seen.revision = revision;
    }
    return true;
  }

  private async read(signal: AbortSignal): Promise<Seen> {
    const { header, kvs = [] } = await this.call<Header & { kvs?: readonly KeyValue[] }>(
      '/v3/kv/range',
      this.range,
      signal,
    );
    const nodes = kvs.map((kv) => this.nodeOf(kv));
    const byId = new Map(nodes.map((node) => [node.nodeId, node]));
    return { clusterId: header.cluster_id, revision: BigInt(header.revision), nodes: byId };
  }

  private nodeOf({ key, value = '' }: KeyValue): ClusterNode {
    const nodeId = plain(key).slice(this.options.prefix.length);
    try {
      return announcedNode(nodeId, JSON.parse(plain(value)));
    } catch {
      return announcedNode(nodeId, undefined);
    }
  }

  /** All keys that begin with the prefix: up to the slash's successor. */
  private get range(): { key: string; range_end: string } {
    const { prefix } = this.options;
    return { key: base64(prefix), range_end: base64(`${prefix.slice(0, -1)}0`) };
  }

  private question(path: string) {
    const { endpoints, timeoutMs, tls } = this.options;
    const headers: Record<string, string> = this.token === undefined ? {} : { authorization: this.token };
    return {
      method: 'POST',
      url: below(endpoints[this.endpoint]!, path),
      headers,
      timeoutMs,
      ...tls,
    } as const;
  }

  private async call<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
    try {
      await this.authenticate(signal);
      try {
        return await this.ask<T>(path, body, signal);
      } catch (error) {
        if (this.token === undefined || !(error instanceof HttpStatusError && error.status === 401)) {
          throw error;
        }
        // The token has ended, or an etcd that was started anew does not know it.
        this.token = undefined;
        await this.authenticate(signal);
        return await this.ask<T>(path, body, signal);
      }
    } catch (error) {
      this.nextEndpoint();
      throw error;
    }
  }

  private async authenticate(signal: AbortSignal): Promise<void> {
    const { auth } = this.options;
    if (auth && this.token === undefined) {
      const asked = { name: auth.user, password: auth.password };
      const { token } = await this.ask<{ token?: unknown }>('/v3/auth/authenticate', asked, signal);
      if (typeof token !== 'string') {
        throw new Error('it has given no token for the user');
      }
      this.token = token;
    }
  }

  private async ask<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
    return jsonOf<T>(await this.world.http.ask({ ...this.question(path), body, signal }));
  }

  private nextEndpoint(): void {
    this.endpoint = (this.endpoint + 1) % this.options.endpoints.length;
  }
}

function areEndpoints(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length >= 1 && value.length <= ENDPOINTS_MAX && value.every(isServiceUrl)
  );
}

function isAuth(value: unknown): boolean {
  const { user, password } = (typeof value === 'object' && value ? value : {}) as Partial<EtcdAuth>;
  return [user, password].every((text) => typeof text === 'string' && text.length >= 1 && text.length <= 256);
}

function isPrefix(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 200 && value.endsWith('/');
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function plain(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}
