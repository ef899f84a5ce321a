/** The default codec: MessagePack; plain objects, arrays, strings, numbers, bigint, Date, Map, Set, bytes. */
import { Packr } from 'msgpackr';
import { type Codec } from '../ports/codec.js';

export class MsgpackCodec<V = unknown> implements Codec<V> {
  readonly name = 'msgpack';
  // Records tell objects from Maps. No structures are shared between messages, so the bytes are self-contained:
  // replicas decode on their own. Bytes in a value are copied: a caller may change them, the stored record not.
  private readonly packr = new Packr({ useRecords: true, moreTypes: true, copyBuffers: true });

  encode(value: V): Uint8Array {
    return this.packr.pack(value);
  }

  decode(bytes: Uint8Array): V {
    return this.packr.unpack(bytes) as V;
  }
}
