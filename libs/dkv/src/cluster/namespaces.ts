/** The namespaces that this node was told of: their mode, their class, how their conflicts are resolved; and which the cluster agreed on. */
import { DkvError } from '../dkv.errors.js';
import { type RecordMerger } from '../merger/record-merger.js';
import { type AgreedNamespace, type ClusterConfiguration } from '../model/membership.js';
import { type Codec } from '../ports/codec.js';
import { type NamespaceMode } from '../model/consistency.js';
import { agreedOf, unlikeNamespace } from './agreed-namespaces.js';

export interface Namespace {
  readonly name: string;
  readonly mode: NamespaceMode;
  /** The number of its placement class: 0 for as many copies as the cluster has. What the cluster has agreed on counts. */
  readonly placement: number;
  /** Values of all nodes must be readable to all. */
  readonly codec: Codec;
  readonly merger: RecordMerger;
  /** Made by the library beside those that its user declares; of no use where none of these has its mode. */
  readonly isReserved?: boolean;
}

/**
 * Before a cluster is born all are of use as they were declared. Afterwards those alone that its configuration has, and has alike:
 * a node that treated one otherwise than others do would damage what these have.
 */
export class Namespaces {
  private readonly declared = new Map<string, Namespace>();
  /** Those of use. */
  private readonly known = new Map<string, Namespace>();
  private readonly refusals = new Map<string, DkvError>();
  private readonly listeners = new Set<() => void>();
  private delay = '';
  private isBorn = false;

  constructor(namespaces: readonly Namespace[] = []) {
    namespaces.forEach((namespace) => this.add(namespace));
  }

  /** @throws TypeError when there is one of that name. */
  add(namespace: Namespace): void {
    if (this.declared.has(namespace.name)) {
      throw new TypeError(`There is a namespace ${namespace.name} already.`);
    }
    this.declared.set(namespace.name, namespace);
    if (!this.isBorn) {
      this.known.set(namespace.name, namespace);
    }
  }

  /** Goes by what the cluster has agreed on; returns the refusals that are new. @param selfId this node, for people */
  follow(configuration: ClusterConfiguration, selfId: string): readonly DkvError[] {
    if (configuration.epoch === 0) {
      return [];
    }
    this.isBorn = true;
    const agreed = new Map(configuration.namespaces.map((namespace) => [namespace.name, namespace]));
    const refused: DkvError[] = [];
    for (const [name, namespace] of this.declared) {
      const known = agreed.get(name);
      const error = known && unlikeNamespace(known, agreedOf(namespace), configuration.clusterId, selfId);
      if (known && !error) {
        this.known.set(name, { ...namespace, placement: known.placement });
        this.refusals.delete(name);
      } else {
        this.known.delete(name);
      }
      if (error && !this.refusals.has(name)) {
        this.refusals.set(name, error);
        refused.push(error);
      }
    }
    this.tell();
    return refused;
  }

  /** The class by which it was declared here; undefined for one that was not. */
  askedPlacement(name: string): number | undefined {
    return this.declared.get(name)?.placement;
  }

  /** Declared here, and neither agreed on nor refused so far. */
  get waiting(): readonly AgreedNamespace[] {
    return [...this.declared.values()].filter(({ name }) => this.isWaiting(name)).map(agreedOf);
  }

  isWaiting(name: string): boolean {
    return this.declared.has(name) && !this.known.has(name) && !this.refusals.has(name);
  }

  /** It is of no use here, for good. */
  refuse(name: string, error: DkvError): void {
    this.refusals.set(name, error);
    this.tell();
  }

  /** Why those that wait do so, for people. */
  delayed(reason: string): void {
    this.delay = reason;
  }

  /** Calls `listener`, once, after what is of use may have changed. @returns what takes it back */
  onceChanged(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Why this node cannot serve all that it declares, for people; undefined where it can. */
  get unreadyReason(): string | undefined {
    const [refusal] = this.refusals.values();
    if (refusal) {
      return refusal.message;
    }
    const [first] = this.waiting;
    return first && this.notAgreed(first.name);
  }

  /** Whether the user of the library declared a namespace of that mode. */
  uses(mode: NamespaceMode): boolean {
    return [...this.declared.values()].some((known) => known.mode === mode && !known.isReserved);
  }

  /** Undefined for one that is of no use now, too. */
  find(name: string): Namespace | undefined {
    return this.known.get(name);
  }

  /**
   * @throws DkvError `DKV_UNKNOWN_NAMESPACE`; `DKV_NOT_READY` before the cluster has agreed on it; `DKV_CONFIGURATION_MISMATCH`
   *   where the cluster has it otherwise; `DKV_INVALID_OPTIONS` where it has no room for it
   */
  get(name: string): Namespace {
    const namespace = this.known.get(name);
    if (namespace) {
      return namespace;
    }
    const { declared } = this.declaredAs(name);
    throw new DkvError('DKV_NOT_READY', `Nothing was done: ${this.notAgreed(declared.name)}.`);
  }

  /** @throws DkvError as {@link get}; `DKV_CONFIGURATION_MISMATCH` when it is strong here. */
  getEventual(name: string): Namespace {
    const namespace = this.get(name);
    if (namespace.mode !== 'eventual') {
      throw new DkvError(
        'DKV_CONFIGURATION_MISMATCH',
        `Namespace ${JSON.stringify(name)} is strong on this node, and another node treats it as eventual. Declare it ` +
          'alike on every node.',
      );
    }
    return namespace;
  }

  /** The same where it may still be waited for. @throws DkvError as {@link get}, but for `DKV_NOT_READY` */
  declaredAs(name: string): { readonly declared: Namespace; readonly isOfUse: boolean } {
    const known = this.known.get(name);
    if (known) {
      return { declared: known, isOfUse: true };
    }
    const refusal = this.refusals.get(name);
    if (refusal) {
      throw refusal;
    }
    const declared = this.declared.get(name);
    if (!declared) {
      throw new DkvError(
        'DKV_UNKNOWN_NAMESPACE',
        `This node was not told of a namespace ${JSON.stringify(name)}, only of ${[...this.declared.keys()].join(', ')}. ` +
          'Name it in DkvModule.forFeature on every node.',
      );
    }
    return { declared, isOfUse: false };
  }

  /** Those of use. */
  [Symbol.iterator](): IterableIterator<Namespace> {
    return this.known.values();
  }

  private notAgreed(name: string): string {
    return `the cluster has not agreed on namespace ${JSON.stringify(name)} yet${this.delay && `: ${this.delay}`}`;
  }

  private tell(): void {
    const listeners = [...this.listeners];
    this.listeners.clear();
    listeners.forEach((listener) => listener());
  }
}
