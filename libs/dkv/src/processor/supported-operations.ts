/** The operations that a mode supports: strong namespaces and eventual ones differ in what can be asked of them. */
import { DkvError } from '../dkv.errors.js';
import { type NamespaceMode, type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { type StrongWrite } from '../model/strong-operations.js';

/** @throws DkvError `DKV_UNSUPPORTED` */
export function assertReadSupported(namespace: string, mode: NamespaceMode, level: ReadLevel): void {
  if (mode === 'eventual' && level === 'linearizable') {
    throw unsupported(namespace, 'linearizable reads');
  }
}

/** @throws DkvError `DKV_UNSUPPORTED` */
export function assertWriteSupported(
  namespace: string,
  mode: NamespaceMode,
  kind: StrongWrite['kind'],
  {
    level,
    expected,
    idempotencyKey,
  }: Pick<StrongWrite, 'expected' | 'idempotencyKey'> & { readonly level: WriteLevel },
): void {
  if (mode === 'strong') {
    if (level !== 'quorum') {
      throw new DkvError(
        'DKV_UNSUPPORTED',
        `Namespace ${namespace} is strong: its writes are always acknowledged by a majority. Leave out consistency ` +
          `${JSON.stringify(level)}.`,
      );
    }
    return;
  }
  if (expected !== undefined) {
    throw unsupported(namespace, 'writes that expect a version');
  }
  if (idempotencyKey !== undefined) {
    throw unsupported(namespace, 'idempotency keys');
  }
  if (kind === 'touch' || kind === 'increment') {
    throw unsupported(namespace, kind);
  }
}

function unsupported(namespace: string, what: string): DkvError {
  return new DkvError(
    'DKV_UNSUPPORTED',
    `Namespace ${namespace} is eventual and does not offer ${what}. Use a namespace of mode 'strong' for them.`,
  );
}
