/** How values become bytes: once, on the caller's node. They travel and rest as bytes. */

export interface Codec<V = unknown> {
  /** 1 to 32 characters. */
  readonly name: string;
  /** @throws any error when `value` cannot be encoded; the caller sees `DKV_CODEC_FAILED`. */
  encode(value: V): Uint8Array;
  /** What it returns must share no memory with `bytes`, which are the store's. */
  decode(bytes: Uint8Array): V;
}

export const Codec = Symbol('DkvCodec');
