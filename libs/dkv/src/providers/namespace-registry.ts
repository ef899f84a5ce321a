/** The namespaces of a node while it boots: admits each, tells the core, and makes its client. */
import { type ClientCore, type ClientSettings } from '../client/client-core.js';
import { LOCKS_NAMESPACE } from '../client/locks.js';
import { JsonCodec } from '../codec/json-codec.js';
import { Dkv } from '../dkv.js';
import { DkvError } from '../dkv.errors.js';
import {
  DEFAULT_NAMESPACE,
  type DkvNamespaceOptions,
  type NamespaceOptions,
  resolveNamespace,
} from '../dkv.namespace-options.js';
import { type DkvOptions } from '../dkv.options.js';
import { LastWriteWinsMerger } from '../merger/last-write-wins-merger.js';
import { RecordMerger } from '../merger/record-merger.js';
import { type Codec } from '../ports/codec.js';
import { type Logger } from '../ports/logger.js';
import { type Merger } from '../ports/merger.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { type NodeStorage } from '../storage/node-storage.js';
import { NamespaceCatalog } from './namespace-catalog.js';

interface Declared {
  readonly options: NamespaceOptions;
  readonly settings: ClientSettings;
  readonly client: Promise<Dkv>;
}

/** What a namespace works with when it brings nothing of its own. */
interface Defaults {
  readonly codec: Codec;
  readonly merger: Merger;
}

export class NamespaceRegistry {
  private readonly declared = new Map<string, Declared>();
  private readonly catalog: NamespaceCatalog;

  constructor(
    private readonly core: ClientCore,
    private readonly namespaces: Namespaces,
    private readonly root: DkvOptions,
    private readonly defaults: Defaults,
    private readonly logger: Logger,
    /** Where the catalog is; closed when the boot fails. */
    private readonly storage: NodeStorage,
  ) {
    this.catalog = new NamespaceCatalog(storage.local);
  }

  /** The namespaces that every node has; resolves with the client of the default one. */
  open(): Promise<Dkv> {
    return this.orClose(async () => {
      const { mode, readConsistency, writeConsistency } = this.root;
      const replicas = this.core.view.copiesMax - 1;
      const common = { replicas, ttlMs: 0, readConsistency, writeConsistency };
      await this.add({ ...common, name: LOCKS_NAMESPACE, mode: 'strong', codec: new JsonCodec() });
      return this.add({ ...common, name: DEFAULT_NAMESPACE, mode, ...this.defaults });
    });
  }

  /**
   * The client of a namespace of `forFeature`; several modules may declare one, all alike.
   * @throws DkvError `DKV_INVALID_OPTIONS`, `DKV_STORE_MISMATCH`
   */
  declare(given: DkvNamespaceOptions): Promise<Dkv> {
    const replicas = this.core.view.copiesMax - 1;
    return this.orClose(async () => this.add(resolveNamespace(given, { ...this.root, replicas })));
  }

  /** @throws DkvError `DKV_UNKNOWN_NAMESPACE` */
  settingsOf(name: string): ClientSettings {
    const { settings } = this.declared.get(name) ?? {};
    if (!settings || name === LOCKS_NAMESPACE) {
      const names = [...this.declared.keys()].filter((known) => known !== LOCKS_NAMESPACE);
      throw new DkvError(
        'DKV_UNKNOWN_NAMESPACE',
        `There is no namespace ${JSON.stringify(name)} here, only ${names.join(', ')}. Declare it with ` +
          'DkvModule.forFeature on every node.',
      );
    }
    return settings;
  }

  /** Data of which nobody takes care any more would go unnoticed. */
  async warnOfUndeclared(): Promise<void> {
    const left = (await this.catalog.names()).filter((name) => !this.declared.has(name));
    if (left.length > 0) {
      this.logger.warn(
        `The data folder has namespaces that no DkvModule.forFeature declares: ${left.join(', ')}. Their data stays ` +
          'as it is and is not served.',
      );
    }
  }

  /** When the boot fails, nobody else closes what it opened. */
  private async orClose<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.storage.close();
      throw error;
    }
  }

  private add(options: NamespaceOptions): Promise<Dkv> {
    const known = this.declared.get(options.name);
    if (known) {
      assertAlike(known.options, options);
      return known.client;
    }
    const { core, root } = this;
    const { name: namespace, mode, readConsistency, writeConsistency, ttlMs, validate } = options;
    const { readTimeoutMs, revertTimeoutMs, valueBytesMax } = root;
    const copies = options.replicas + 1;
    const codec = options.codec ?? this.defaults.codec;
    const merger = new RecordMerger(options.merger ?? new LastWriteWinsMerger(), codec, valueBytesMax);
    assertMergeable(options, merger);
    const levels = { readConsistency, writeConsistency };
    const limits = { readTimeoutMs, revertTimeoutMs, valueBytesMax };
    const settings = { namespace, mode, copies, ttlMs, validate, ...levels, ...limits };
    const isReserved = namespace === LOCKS_NAMESPACE;
    const admitted = { name: namespace, mode, copies, codec, merger, isReserved };
    const client = this.catalog.admit(admitted).then(() => {
      core.view.useCopies(copies);
      this.namespaces.add(admitted);
      return new Dkv(core, settings, codec);
    });
    this.declared.set(namespace, { options, settings, client });
    return client;
  }
}

function assertMergeable({ name, mode }: NamespaceOptions, { newestWins }: RecordMerger): void {
  if (mode === 'strong' && !newestWins) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `Options of namespace ${JSON.stringify(name)}:\n- merger is an object: mode is strong, where writes never ` +
        "conflict; leave it out (and see update()), or set mode: 'eventual'",
    );
  }
}

function assertAlike(known: NamespaceOptions, other: NamespaceOptions): void {
  const names = new Set([...Object.keys(known), ...Object.keys(other)] as (keyof NamespaceOptions)[]);
  const unlike = [...names].filter((name) => !isAlike(known[name], other[name]));
  if (unlike.length > 0) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `Namespace ${JSON.stringify(known.name)} is declared twice, and its ${unlike.join(', ')} differ. Declare it ` +
        'alike in all modules, best from one constant.',
    );
  }
}

/** Each module makes a codec or a merger of its own: those of one class are alike. */
function isAlike(a: unknown, b: unknown): boolean {
  if (a === b) {
    return true;
  }
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) {
    return false;
  }
  return a.constructor === b.constructor && a.constructor !== Object;
}
