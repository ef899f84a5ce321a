/** The namespaces that this node was told of: their mode, their copies, how their conflicts are resolved. */
import { DkvError } from '../dkv.errors.js';
import { type RecordMerger } from '../merger/record-merger.js';
import { type Codec } from '../ports/codec.js';
import { type NamespaceMode } from '../model/consistency.js';

export interface Namespace {
  readonly name: string;
  readonly mode: NamespaceMode;
  /** Nodes that hold a key, where there are as many: 1 to `replicas + 1` of the ring. */
  readonly copies: number;
  /** Values of all nodes must be readable to all. */
  readonly codec: Codec;
  readonly merger: RecordMerger;
  /** Made by the library beside those that its user declares; of no use where none of these has its mode. */
  readonly isReserved?: boolean;
}

export class Namespaces {
  private readonly known = new Map<string, Namespace>();

  constructor(namespaces: readonly Namespace[] = []) {
    namespaces.forEach((namespace) => this.add(namespace));
  }

  /** @throws TypeError when there is one of that name. */
  add(namespace: Namespace): void {
    if (this.known.has(namespace.name)) {
      throw new TypeError(`There is a namespace ${namespace.name} already.`);
    }
    this.known.set(namespace.name, namespace);
  }

  /** Whether the user of the library declared a namespace of that mode. */
  uses(mode: NamespaceMode): boolean {
    return [...this.known.values()].some((known) => known.mode === mode && !known.isReserved);
  }

  find(name: string): Namespace | undefined {
    return this.known.get(name);
  }

  /** @throws DkvError `DKV_UNKNOWN_NAMESPACE` */
  get(name: string): Namespace {
    const namespace = this.known.get(name);
    if (!namespace) {
      throw new DkvError(
        'DKV_UNKNOWN_NAMESPACE',
        `This node was not told of a namespace ${JSON.stringify(name)}, only of ${[...this.known.keys()].join(', ')}. ` +
          'Name it in DkvModule.forFeature on every node.',
      );
    }
    return namespace;
  }

  /** @throws DkvError `DKV_UNKNOWN_NAMESPACE`; `DKV_CONFIGURATION_MISMATCH` when it is strong here. */
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

  [Symbol.iterator](): IterableIterator<Namespace> {
    return this.known.values();
  }
}
