/** What leaves a node is copied to the last byte, as if it had been on a wire: nodes share no memory. */
import { copyOfEncoded, recordBytesMax } from '../../src/model/record-layout.js';
import { type KvRecord } from '../../src/model/record.js';

export interface MessageCopy<T> {
  readonly copy: T;
  /** About what it would take on the wire. */
  readonly bytes: number;
}

/**
 * A deep copy of plain data: texts, numbers, booleans, null, undefined, arrays, plain objects, bytes and records.
 * Stricter than structuredClone, and several times faster.
 * @throws TypeError for anything else (a function, a class instance, a Map, a cycle): it could not travel
 */
export function copyMessage<T>(message: T): MessageCopy<T> {
  const meter = { bytes: 0 };
  const copy = copyValue(message, meter, 0) as T;
  return { copy, bytes: meter.bytes };
}

const DEPTH_MAX = 64;

function copyValue(value: unknown, meter: { bytes: number }, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      meter.bytes += value.length + 1;
      return value;
    case 'number':
      meter.bytes += 8;
      return value;
    case 'boolean':
    case 'undefined':
      meter.bytes += 1;
      return value;
    case 'object':
      return value === null ? null : copyObject(value, meter, depth + 1);
    default:
      throw new TypeError(`A message between nodes is plain data; it holds a ${typeof value}.`);
  }
}

function copyObject(value: object, meter: { bytes: number }, depth: number): unknown {
  if (depth > DEPTH_MAX) {
    throw new TypeError(`A message between nodes is deeper than ${DEPTH_MAX} levels, or has a cycle.`);
  }
  if (value instanceof Uint8Array) {
    meter.bytes += value.length + 4;
    // Not slice(): a Buffer's slice shares its memory.
    return new Uint8Array(value);
  }
  if (Array.isArray(value)) {
    return value.map((item) => copyValue(item, meter, depth));
  }
  const record = copyOfEncoded(value as KvRecord);
  if (record) {
    meter.bytes += recordBytesMax(record);
    return record;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`A message between nodes is plain data; it holds a ${value.constructor.name}.`);
  }
  // Spread keeps the hidden class: half the time of adding field by field.
  const copy: Record<string, unknown> = { ...value };
  for (const name in copy) {
    copy[name] = copyValue(copy[name], meter, depth);
  }
  return copy;
}
