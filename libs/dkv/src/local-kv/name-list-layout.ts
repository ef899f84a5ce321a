/** The bytes of a list of keys by name. */
import { DkvError } from '../dkv.errors.js';
import { crc32 } from '../model/checksum.js';
import { idOf, type RecordId } from '../model/key.js';

/*
 * A CRC-32 of what follows; then for each key its partition (u16), the bytes of its name (u16), its name: namespace,
 * NUL, key, in UTF-8. Numbers are big endian.
 */
const CHECKED_FROM = 4;
const HEAD_BYTES = 4;

export function encodeNames(ids: readonly RecordId[]): Buffer {
  const names = ids.map(idOf);
  const length = names.reduce((sum, name) => sum + HEAD_BYTES + Buffer.byteLength(name), CHECKED_FROM);
  const bytes = Buffer.allocUnsafe(length);
  let at = CHECKED_FROM;
  names.forEach((name, index) => {
    const written = bytes.write(name, at + HEAD_BYTES);
    bytes.writeUInt16BE(ids[index]!.partition, at);
    bytes.writeUInt16BE(written, at + 2);
    at += HEAD_BYTES + written;
  });
  bytes.writeUInt32BE(crc32(bytes.subarray(CHECKED_FROM)), 0);
  return bytes;
}

/** `where` is the folder, for messages. @throws DkvError `DKV_CORRUPT_RECORD` */
export function decodeNames(bytes: Uint8Array, where: string): RecordId[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < CHECKED_FROM || view.readUInt32BE(0) !== crc32(view.subarray(CHECKED_FROM))) {
    throw new DkvError(
      'DKV_CORRUPT_RECORD',
      `A list of open rounds in ${where} is damaged. Remove this node's data folder so that it refills from its ` +
        'replicas.',
    );
  }
  const ids: RecordId[] = [];
  for (let at = CHECKED_FROM; at < view.length;) {
    const nameAt = at + HEAD_BYTES;
    const end = nameAt + view.readUInt16BE(at + 2);
    const separator = view.indexOf(0, nameAt);
    ids.push({
      partition: view.readUInt16BE(at),
      namespace: view.toString('utf8', nameAt, separator),
      key: view.toString('utf8', separator + 1, end),
    });
    at = end;
  }
  return ids;
}
