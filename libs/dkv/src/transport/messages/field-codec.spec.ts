/** Fields that say "the same again": one byte where a name or a version repeats, and never out of nowhere. */
import { describe, expect, it } from 'vitest';
import { NEWER_VERSION, sampleRecord, VERSION } from '../../../testing/transport/samples.js';
import { isDkvError } from '../../dkv.errors.js';
import { ByteReader } from '../../model/byte-reader.js';
import { ByteWriter } from '../../model/byte-writer.js';
import {
  readName,
  readRecord,
  readVersion,
  readVersionOrNone,
  writeName,
  writeRecord,
  writeVersion,
} from './field-codec.js';

function written(write: (to: ByteWriter) => void): Buffer {
  const writer = new ByteWriter();
  writer.begin(0);
  write(writer);
  return writer.take(0);
}

const refusal: unknown = expect.toSatisfy((error) => isDkvError(error, 'DKV_PROTOCOL'));

describe('a version', () => {
  it('is one byte where it is the one before it, none in between or not', () => {
    const versions = [VERSION, VERSION, '', VERSION, NEWER_VERSION, VERSION];
    const bytes = written((to) => versions.forEach((version) => writeVersion(to, version)));
    expect(bytes.length).toBe(3 + 2 * (1 + VERSION.length) + 1 + NEWER_VERSION.length);
    const from = new ByteReader(bytes);
    expect(versions.map(() => readVersionOrNone(from))).toEqual(versions);
    from.assertEnd();
  });

  it('is one byte after the record that has it', () => {
    const record = sampleRecord();
    const bytes = written((to) => {
      writeRecord(to, record);
      writeVersion(to, record.version);
    });
    expect(bytes.length).toBe(written((to) => writeRecord(to, record)).length + 1);
    const from = new ByteReader(bytes);
    expect([readRecord(from, 'a test').version, readVersion(from)]).toEqual([record.version, record.version]);
  });

  it('is refused where it repeats what was not there, is none, or is no version', () => {
    for (const bytes of [Buffer.of(1), Buffer.of(1, 0x61), Buffer.of(0), Buffer.of(3, 0x61, 0x62, 0x63)]) {
      expect(() => readVersion(new ByteReader(bytes))).toThrow(refusal);
    }
  });

  it('does not repeat that of another frame', () => {
    const writer = new ByteWriter();
    const frames = [1, 2].map(() => {
      writer.begin(0);
      writeVersion(writer, VERSION);
      writeName(writer, { namespace: 'n', key: 'k' });
      return writer.copy(0, writer.length);
    });
    expect(frames[0]).toEqual(frames[1]);
  });

  it('is not written when it is longer than any', () => {
    expect(() => written((to) => writeVersion(to, 'x'.repeat(256)))).toThrow(TypeError);
  });
});

describe('a namespace', () => {
  const names = [
    { namespace: 'sessions', key: 'a' },
    { namespace: 'sessions', key: 'b' },
    { namespace: 'é', key: 'a' },
    { namespace: 'sessions', key: 'b' },
  ];

  it('is one byte where it is the one before it', () => {
    const bytes = written((to) => names.forEach((name) => writeName(to, name)));
    expect(bytes.length).toBe(2 * (1 + 8) + 1 + (1 + 2) + 4 * 2);
    const from = new ByteReader(bytes);
    expect(names.map(() => readName(from))).toEqual(names);
  });

  it('is refused where it repeats what was not there, or is none, however often it comes', () => {
    for (const bytes of [Buffer.of(0, 1, 0x61), Buffer.of(1, 0, 1, 0x61), Buffer.of(1, 0xff, 1, 0x61)]) {
      expect(() => readName(new ByteReader(bytes))).toThrow(refusal);
      expect(() => readName(new ByteReader(bytes))).toThrow(refusal);
    }
  });
});
