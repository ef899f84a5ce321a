/** The bytes of a batch of operations on the store, as the node log holds it. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type StoreOperation } from './engines/store-engine.js';

/*
 *   (PUT 1 | key bytes u32 | value bytes u32 | key | value) or (DELETE 2 | key bytes u32 | key), until the end.
 *
 * The log's own checksum covers it.
 */

const PUT = 1;
const DELETE = 2;
const PUT_HEAD_BYTES = 9;
const DELETE_HEAD_BYTES = 5;

export function encodeBatch(operations: readonly StoreOperation[]): Buffer {
  let size = 0;
  for (const operation of operations) {
    size +=
      operation.type === 'put'
        ? PUT_HEAD_BYTES + operation.key.length + operation.value.length
        : DELETE_HEAD_BYTES + operation.key.length;
  }
  // Memory of its own: what is kept of it must not keep what else Node's pool holds.
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const { key, ...operation } of operations) {
    bytes.writeUInt32BE(key.length, at + 1);
    if (operation.type === 'put') {
      bytes[at] = PUT;
      bytes.writeUInt32BE(operation.value.length, at + 5);
      bytes.set(key, at + PUT_HEAD_BYTES);
      bytes.set(operation.value, at + PUT_HEAD_BYTES + key.length);
      at += PUT_HEAD_BYTES + key.length + operation.value.length;
    } else {
      bytes[at] = DELETE;
      bytes.set(key, at + DELETE_HEAD_BYTES);
      at += DELETE_HEAD_BYTES + key.length;
    }
  }
  return bytes;
}

/**
 * Calls `put` and `remove` in the order of the batch, with views of `bytes`.
 * @throws DkvError `DKV_CORRUPT_RECORD` when `bytes` are no batch; some operations may have been told by then
 */
export function decodeBatch(
  bytes: Uint8Array,
  put: (key: Uint8Array, value: Uint8Array) => void,
  remove: (key: Uint8Array) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const isPut = bytes[at] === PUT;
    const headEnd = at + (isPut ? PUT_HEAD_BYTES : DELETE_HEAD_BYTES);
    if ((!isPut && bytes[at] !== DELETE) || headEnd > bytes.length) {
      throw damaged(at);
    }
    const keyEnd = headEnd + view.getUint32(at + 1);
    const end = isPut ? keyEnd + view.getUint32(at + 5) : keyEnd;
    if (end > bytes.length) {
      throw damaged(at);
    }
    if (isPut) {
      put(bytes.subarray(headEnd, keyEnd), bytes.subarray(keyEnd, end));
    } else {
      remove(bytes.subarray(headEnd, keyEnd));
    }
    at = end;
  }
}

function damaged(at: number): DkvError {
  return new DkvError(
    'DKV_CORRUPT_RECORD',
    `A batch in the node's log is no batch from its byte ${at} on, though its checksum is right: it was written by ` +
      'another version. Start this node with the version that wrote it.',
  );
}
