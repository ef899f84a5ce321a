/** What a mode offers: strong namespaces and eventual ones differ in what can be asked of them. */
import { DkvError } from '../dkv.errors.js';
import { type NamespaceMode } from '../model/consistency.js';
import { type WriteOperation } from '../model/peer-protocol.js';

/** @throws DkvError `DKV_UNSUPPORTED` */
export function assertOffered({ kind, id, level, expected }: WriteOperation, mode: NamespaceMode): void {
  if (mode === 'eventual' && (expected !== undefined || kind === 'read')) {
    throw unsupported(id.namespace, 'writes that expect a version');
  }
  if (mode === 'strong' && level !== 'quorum') {
    throw new DkvError(
      'DKV_UNSUPPORTED',
      `Namespace ${id.namespace} is strong: its writes are always acknowledged by a majority. Leave out consistency ` +
        `${JSON.stringify(level)}.`,
    );
  }
}

export function unsupported(namespace: string, what: string): DkvError {
  return new DkvError(
    'DKV_UNSUPPORTED',
    `Namespace ${namespace} is eventual and does not offer ${what}. Use a namespace of mode 'strong' for them.`,
  );
}
