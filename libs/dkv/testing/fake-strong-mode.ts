/** Strong namespaces in the memory of one process, for tests of what is above them: decides as a leader does. */
import { assertWanted } from '../src/cluster/deadline.js';
import { MsgpackCodec } from '../src/codec/msgpack-codec.js';
import { incremented } from '../src/model/counting.js';
import { type ShownRecord } from '../src/model/shown-record.js';
import { formatStrongVersion } from '../src/model/strong-version.js';
import { NO_VERSION } from '../src/model/version.js';
import { type Clock } from '../src/ports/clock.js';
import { type Codec } from '../src/ports/codec.js';
import {
  type StrongReadOptions,
  type StrongWrite,
  type StrongWritten,
} from '../src/model/strong-operations.js';
import { NO_STRONG_FIGURES, type QuorumStatus, type StrongMode } from '../src/ports/strong-mode.js';
import { NO_STRONG_MODE } from './no-strong-mode.js';

export interface FakeStrongModeOptions {
  /** Of the versions it gives. Default 1. */
  readonly generation?: number;
  /** How long an idempotency key is remembered. Default: a day. */
  readonly idempotencyTtlMs?: number;
  /** Of the values that are counted. Default: MessagePack. */
  readonly codec?: Codec;
}

interface Request {
  readonly result: StrongWritten;
  readonly forgetAtMs: number;
}

const DAY_MS = 86_400_000;

/**
 * One group without other members: every write is committed when it is decided. Versions rise by one with each write,
 * over deletes and expiries too; time is that of `clock`, and no call takes any. Reads at level `one` can be made to trail.
 */
export class FakeStrongMode implements StrongMode {
  readonly writes: StrongWrite[] = [];
  readonly reads: (StrongReadOptions & { readonly namespace: string; readonly key: string })[] = [];
  readonly frames: [from: string, bytes: Uint8Array][] = [];
  readonly lost: string[] = [];
  phase: 'new' | 'running' | 'stopped' = 'new';
  unreadyReason: string | undefined;
  degradedReason: string | undefined;
  quorums: QuorumStatus = NO_STRONG_MODE.quorums;
  groupsLed = 0;
  figures = NO_STRONG_FIGURES;
  groups = NO_STRONG_MODE.groups;
  membership = NO_STRONG_MODE.membership;
  /** Every read and write is refused with it. */
  failure: Error | undefined;
  private index = 0;
  private readonly records = new Map<string, ShownRecord>();
  private readonly requests = new Map<string, Request>();
  private readonly trailing = new Map<string, ShownRecord | undefined>();

  constructor(
    private readonly clock: Clock,
    private readonly options: FakeStrongModeOptions = {},
  ) {}

  start(): void {
    this.phase = 'running';
  }

  async stop(): Promise<void> {
    this.phase = 'stopped';
  }

  /** From now on, reads at level `one` see the key as it is now, until they `catchUp`. */
  trail(namespace: string, key: string): void {
    this.trailing.set(nameOf(namespace, key), this.recordOf(namespace, key));
  }

  catchUp(): void {
    this.trailing.clear();
  }

  peek(namespace: string, key: string): ShownRecord | null | undefined {
    return this.failure ? undefined : (this.copyOf(namespace, key) ?? null);
  }

  async read(namespace: string, key: string, options: StrongReadOptions): Promise<ShownRecord | undefined> {
    assertWanted(options.signal);
    this.reads.push({ namespace, key, ...options });
    await Promise.resolve();
    this.assertSound();
    return options.level === 'one' ? this.copyOf(namespace, key) : this.recordOf(namespace, key);
  }

  async write(operation: StrongWrite): Promise<StrongWritten> {
    assertWanted(operation.signal);
    this.writes.push(operation);
    await Promise.resolve();
    this.assertSound();
    const { namespace, key, idempotencyKey } = operation;
    const name = `${nameOf(namespace, key)}\0${idempotencyKey}`;
    const known = idempotencyKey === undefined ? undefined : this.requests.get(name);
    if (known && known.forgetAtMs > this.clock.now()) {
      return { ...known.result, repeated: true };
    }
    const result = this.decide(operation);
    if (idempotencyKey !== undefined && result.outcome === 'done') {
      const { idempotencyTtlMs = DAY_MS } = this.options;
      this.requests.set(name, { result, forgetAtMs: this.clock.now() + idempotencyTtlMs });
    }
    return result;
  }

  receive(from: string, frame: Uint8Array): void {
    this.frames.push([from, Uint8Array.from(frame)]);
  }

  disconnected(nodeId: string): void {
    this.lost.push(nodeId);
  }

  private decide(operation: StrongWrite): StrongWritten {
    const { kind, namespace, key, expected } = operation;
    const current = this.recordOf(namespace, key);
    const existed = current !== undefined;
    if (expected !== undefined && expected !== (current?.version ?? NO_VERSION)) {
      return { outcome: 'conflict', record: current, existed, repeated: false };
    }
    const value = this.valueOf(operation, current);
    const name = nameOf(namespace, key);
    if (value === undefined) {
      if (existed && kind === 'remove') {
        this.index++;
        this.records.delete(name);
      }
      return { outcome: 'done', record: undefined, existed, repeated: false };
    }
    const { generation = 1 } = this.options;
    const modifiedMs = this.clock.now();
    const record: ShownRecord = {
      version: formatStrongVersion(generation, ++this.index),
      value: Uint8Array.from(value),
      expiresAtMs: operation.ttlMs === 0 ? 0 : modifiedMs + operation.ttlMs,
      modifiedMs,
    };
    this.records.set(name, record);
    return { outcome: 'done', record, existed, repeated: false };
  }

  /** Undefined where the key has no value afterwards. @throws DkvError `DKV_INVALID_ARGUMENT` of an increment */
  private valueOf(
    { kind, key, value, by }: StrongWrite,
    current: ShownRecord | undefined,
  ): Uint8Array | undefined {
    switch (kind) {
      case 'put':
        return value;
      case 'touch':
        return current?.value;
      case 'remove':
        return undefined;
      case 'increment': {
        const { codec = new MsgpackCodec() } = this.options;
        return codec.encode(incremented(key, current && codec.decode(current.value), by!));
      }
    }
  }

  private copyOf(namespace: string, key: string): ShownRecord | undefined {
    const name = nameOf(namespace, key);
    return this.trailing.has(name) ? this.visible(this.trailing.get(name)) : this.recordOf(namespace, key);
  }

  private recordOf(namespace: string, key: string): ShownRecord | undefined {
    return this.visible(this.records.get(nameOf(namespace, key)));
  }

  private visible(record: ShownRecord | undefined): ShownRecord | undefined {
    const isOver = record !== undefined && record.expiresAtMs !== 0 && record.expiresAtMs <= this.clock.now();
    return isOver ? undefined : record;
  }

  private assertSound(): void {
    if (this.failure) {
      throw this.failure;
    }
  }
}

function nameOf(namespace: string, key: string): string {
  return `${namespace}\0${key}`;
}
