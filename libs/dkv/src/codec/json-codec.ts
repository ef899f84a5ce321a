/** JSON in UTF-8: for values that other programs read. */
import { Buffer } from 'node:buffer';
import { type Codec } from '../ports/codec.js';
import { asBuffer } from '../model/byte-reader.js';

export class JsonCodec<V = unknown> implements Codec<V> {
  readonly name = 'json';

  encode(value: V): Uint8Array {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) {
      throw new TypeError(`${typeof value} has no JSON form`);
    }
    return Buffer.from(text);
  }

  decode(bytes: Uint8Array): V {
    return JSON.parse(asBuffer(bytes).toString()) as V;
  }
}
