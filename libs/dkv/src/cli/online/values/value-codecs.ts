/** Values between the bytes that are stored and what is typed or read: `--codec`. */
import { Buffer } from 'node:buffer';
import { JsonCodec } from '../../../codec/json-codec.js';
import { MsgpackCodec } from '../../../codec/msgpack-codec.js';
import { type Codec } from '../../../ports/codec.js';
import { CommandFailure } from '../../command-failure.js';
import { EXIT } from '../../exit-codes.js';

export const CODECS = ['raw', 'json', 'msgpack'] as const;
export type CodecName = (typeof CODECS)[number];

export const CODEC_HELP = `Values are stored as bytes, and the codec of the namespace in the application decides how it reads them: msgpack, unless
the namespace has another one. --codec raw takes and gives these bytes as they are; json and msgpack stand between them and
JSON text.`;

/** The bytes to store for what was typed or piped in: with a codec, that is JSON text. @throws CommandFailure `usage` */
export function encodeInput(name: CodecName, input: Uint8Array): Uint8Array {
  const codec = codecOf(name);
  if (!codec) {
    return input;
  }
  const text = Buffer.from(input).toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandFailure(
      EXIT.usage,
      `with --codec ${name} the value is given as JSON text, and this is none (${(error as Error).message}): text itself ` +
        `stands in double quotes, as in '"hello"'.`,
    );
  }
  return codec.encode(value);
}

/** What is stored, as JSON text. @throws CommandFailure where the codec cannot read it */
export function decodeStored(name: CodecName, stored: Uint8Array): string {
  let value: unknown;
  try {
    value = codecOf(name)!.decode(stored);
  } catch (error) {
    throw new CommandFailure(
      EXIT.failed,
      `what is stored is not of the codec ${name} (${(error as Error).message}): give another one, or --codec raw.`,
    );
  }
  return JSON.stringify(value, inJson, 2) ?? 'null';
}

function codecOf(name: CodecName): Codec | undefined {
  return { raw: undefined, json: new JsonCodec(), msgpack: new MsgpackCodec() }[name];
}

/** What JSON has no form for: bytes in base64, Maps as pairs, Sets as lists, large integers as text. */
function inJson(this: unknown, name: string, converted: unknown): unknown {
  // Buffers and dates come here converted by themselves.
  const value = (this as Record<string, unknown>)[name];
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString('base64');
  }
  if (value instanceof Map || value instanceof Set) {
    return [...(value as Iterable<unknown>)];
  }
  return typeof value === 'bigint' ? String(value) : converted;
}
