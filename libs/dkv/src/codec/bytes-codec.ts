/** No encoding: values are bytes already; copied, since the caller's buffer may be used again. */
import { type Codec } from '../ports/codec.js';

export class BytesCodec implements Codec<Uint8Array> {
  readonly name = 'bytes';

  encode(value: Uint8Array): Uint8Array {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(`expected a Uint8Array, got ${typeof value}`);
    }
    return new Uint8Array(value);
  }

  decode(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(bytes);
  }
}
