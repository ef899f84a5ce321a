/** Known texts: found by their bytes alone, and never more of them than there are slots. */
import { describe, expect, it } from 'vitest';
import { isDkvError } from '../dkv.errors.js';
import { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import { KnownTexts } from './known-texts.js';

function bytesOf(text: string): Buffer {
  return Buffer.from(text);
}

function found(known: KnownTexts, text: string): string | undefined {
  const bytes = bytesOf(`<${text}>`);
  return known.find(bytes, 1, bytes.length - 1);
}

function add(known: KnownTexts, text: string): void {
  known.add(bytesOf(text), 0, bytesOf(text).length, text);
}

describe('known texts', () => {
  it('are found wherever their bytes lie, and nothing else is', () => {
    const known = new KnownTexts();
    for (const text of ['node-a', 'node-b', 'é🪐', 'a']) {
      expect(found(known, text)).toBeUndefined();
      add(known, text);
      expect(found(known, text)).toBe(text);
      expect(found(known, `${text}a`)).toBeUndefined();
      expect(found(known, text.slice(1))).toBeUndefined();
    }
    expect(found(known, '')).toBeUndefined();
  });

  it('are never mistaken for others of their slot', () => {
    const known = new KnownTexts();
    add(known, 'node-1-a');
    expect(found(known, 'node-2-a')).toBeUndefined();
    add(known, 'node-2-a');
    expect([found(known, 'node-1-a'), found(known, 'node-2-a')]).toEqual([undefined, 'node-2-a']);
  });

  it('do not keep the bytes that they were met in, and are bounded in number', () => {
    const known = new KnownTexts();
    const message = bytesOf('node-a');
    known.add(message, 0, message.length, 'node-a');
    message.fill(0);
    expect(found(known, 'node-a')).toBe('node-a');
    const texts = Array.from({ length: 5000 }, (_, number) => `${number}`);
    texts.forEach((text) => add(known, text));
    expect(texts.filter((text) => found(known, text) !== undefined).length).toBeLessThanOrEqual(64);
  });

  it('are checked when they are met, and again while they are refused', () => {
    const writer = new ByteWriter();
    writer.begin(0);
    ['good', 'bad', 'good', 'bad'].forEach((text) => writer.text(text));
    const reader = new ByteReader(writer.take(0));
    const known = new KnownTexts();
    const checked: string[] = [];
    const read = () =>
      reader.knownText(known, 10, (text) => {
        checked.push(text);
        if (text === 'bad') {
          throw new TypeError(text);
        }
        return text;
      });
    expect(read()).toBe('good');
    expect(read).toThrow('bad');
    expect(read()).toBe('good');
    expect(read).toThrow('bad');
    expect(checked).toEqual(['good', 'bad', 'bad']);
  });

  it('are as long as a field may be, known or not', () => {
    const known = new KnownTexts();
    add(known, 'node-a');
    const writer = new ByteWriter();
    writer.begin(0);
    writer.text('node-a');
    const bytes = writer.take(0);
    const refused = () => new ByteReader(bytes).knownText(known, 5, (text) => text);
    expect(refused).toThrow(expect.toSatisfy((error) => isDkvError(error, 'DKV_PROTOCOL')));
  });
});
