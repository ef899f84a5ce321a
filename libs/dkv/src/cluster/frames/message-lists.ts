/** Lists in messages, and how long they and texts may be. */
import { type ByteReader } from '../../model/byte-reader.js';

export const TEXT_BYTES_MAX = 8_192;
export const GROUPS_MAX = 65_536;

/** @throws DkvError `DKV_PROTOCOL`, also for more than `max` elements */
export function readList<T>(from: ByteReader, max: number, read: () => T): T[] {
  const list: T[] = [];
  for (let left = from.elements(max); left > 0; left--) {
    list.push(read());
  }
  return list;
}
