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
import { agreedOf, noRoomFor, unlikeNamespace } from '../cluster/agreed-namespaces.js';
import { type Namespace, type Namespaces } from '../cluster/namespaces.js';
import { placementFor } from '../model/membership.js';
import { type NodeStorage } from '../storage/node-storage.js';

interface Declared {
  readonly options: NamespaceOptions;
  readonly settings: ClientSettings;
  readonly client: Dkv;
}

/** What a namespace works with when it brings nothing of its own. */
interface Defaults {
  readonly codec: Codec;
  readonly merger: Merger;
}

export class NamespaceRegistry {
  private readonly declared = new Map<string, Declared>();

  constructor(
    private readonly core: ClientCore,
    private readonly namespaces: Namespaces,
    private readonly root: DkvOptions,
    private readonly defaults: Defaults,
    private readonly logger: Logger,
    /** Closed when the boot fails. */
    private readonly storage: NodeStorage,
  ) {}

  /** The namespaces that every node has; resolves with the client of the default one. */
  open(): Promise<Dkv> {
    return this.orClose(async () => {
      const { mode, readConsistency, writeConsistency } = this.root;
      const common = { ttlMs: 0, readConsistency, writeConsistency };
      this.add({ ...common, name: LOCKS_NAMESPACE, mode: 'strong', codec: new JsonCodec() });
      return this.add({ ...common, name: DEFAULT_NAMESPACE, mode, ...this.defaults });
    });
  }

  /**
   * The client of a namespace of `forFeature`; several modules may declare one, all alike.
   * @throws DkvError `DKV_INVALID_OPTIONS`, also for one too many; `DKV_CONFIGURATION_MISMATCH` where the cluster, as this node's folder knows it, has it
   *   otherwise
   */
  declare(given: DkvNamespaceOptions): Promise<Dkv> {
    return this.orClose(async () => this.add(resolveNamespace(given, this.root)));
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
  warnOfUndeclared(): void {
    const { namespaces } = this.core.view.agreed;
    const left = namespaces.map(({ name }) => name).filter((name) => !this.declared.has(name));
    if (left.length > 0) {
      this.logger.warn(
        `The cluster has namespaces that no DkvModule.forFeature declares here: ${left.join(', ')}. Their data stays as it ` +
          'is, and this node does not serve it.',
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

  private add(options: NamespaceOptions): Dkv {
    const known = this.declared.get(options.name);
    if (known) {
      assertAlike(known.options, options);
      return known.client;
    }
    const { core, root } = this;
    const { name: namespace, mode, readConsistency, writeConsistency, ttlMs, validate } = options;
    const { readTimeoutMs, revertTimeoutMs, valueBytesMax } = root;
    const placement = placementFor(options.replicas);
    const codec = options.codec ?? this.defaults.codec;
    const merger = new RecordMerger(options.merger ?? new LastWriteWinsMerger(), codec, valueBytesMax);
    assertMergeable(options, merger);
    const levels = { readConsistency, writeConsistency };
    const limits = { readTimeoutMs, revertTimeoutMs, valueBytesMax };
    const settings = { namespace, mode, placement, ttlMs, validate, ...levels, ...limits };
    const isReserved = namespace === LOCKS_NAMESPACE;
    const added = { name: namespace, mode, placement, codec, merger, isReserved };
    this.compare(added);
    this.namespaces.add(added);
    const client = new Dkv(core, settings, codec);
    this.declared.set(namespace, { options, settings, client });
    return client;
  }

  /** With what the cluster has agreed on, as far as the folder knows it. @throws DkvError `DKV_CONFIGURATION_MISMATCH`, `DKV_INVALID_OPTIONS` */
  private compare(namespace: Namespace): void {
    const { view } = this.core;
    const { epoch, namespaces, clusterId } = view.agreed;
    const agreed = epoch > 0 ? namespaces.find(({ name }) => name === namespace.name) : undefined;
    const refusal = agreed
      ? unlikeNamespace(agreed, agreedOf(namespace), clusterId, view.selfId)
      : noRoomFor(namespace, this.declared.size, view.slices);
    if (refusal) {
      throw refusal;
    }
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
