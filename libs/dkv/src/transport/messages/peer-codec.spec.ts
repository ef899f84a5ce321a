/** Messages arrive as they were said, and what is not of the protocol is refused. */
import { describe, expect, it } from 'vitest';
import { isDkvError } from '../../dkv.errors.js';
import { type PeerReply } from '../../model/peer-protocol.js';
import { formatVersion, joinVersion } from '../../model/version.js';
import { ASKING, question, sampleExchanges, sampleRecord } from '../../../testing/transport/samples.js';
import { replyBytesMax, requestBytesMax } from './limits.js';
import { decodePeerReply, decodePeerRequest, encodePeerReply, encodePeerRequest } from './peer-codec.js';

const samples = sampleExchanges(100);

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return isDkvError(error) ? error.code : String(error);
  }
  return 'none';
}

describe('a message', () => {
  it.each(samples)('is said again as the same bytes: $name', ({ request, reply }) => {
    const asked = encodePeerRequest(request);
    expect(encodePeerRequest(decodePeerRequest(request.kind, asked))).toEqual(asked);
    const answered = encodePeerReply(reply);
    expect(encodePeerReply(decodePeerReply(reply.kind, answered))).toEqual(answered);
  });

  it.each(samples)('is refused when it is cut, or has something behind it: $name', ({ request, reply }) => {
    const [asked, answered] = [encodePeerRequest(request), encodePeerReply(reply)];
    for (let length = 0; length < Math.min(asked.length, 1000); length++) {
      expect(codeOf(() => decodePeerRequest(request.kind, asked.subarray(0, length)))).toMatch(
        /PROTOCOL|CORRUPT/,
      );
    }
    for (let length = 0; length < Math.min(answered.length, 1000); length++) {
      expect(codeOf(() => decodePeerReply(reply.kind, answered.subarray(0, length)))).toMatch(
        /PROTOCOL|CORRUPT/,
      );
    }
    const more = (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)]);
    expect(codeOf(() => decodePeerRequest(request.kind, more(asked)))).toBe('DKV_PROTOCOL');
    expect(codeOf(() => decodePeerReply(reply.kind, more(answered)))).toBe('DKV_PROTOCOL');
  });

  it.each(['toString', '__proto__', 'constructor', '', 'getAll'])('of the kind %j is unknown', (kind) => {
    expect(codeOf(() => decodePeerRequest(kind, encodePeerRequest(question())))).toBe('DKV_PROTOCOL');
  });

  it('does not show memory that is around it', () => {
    const asked = encodePeerRequest(question());
    const around = new Uint8Array(asked.length + 20).fill(0xff);
    around.set(asked, 10);
    expect(decodePeerRequest('get', around.subarray(10, 10 + asked.length))).toEqual(question());
  });

  it('whose configuration is too long is not said', () => {
    const request = { ...question(), configuration: 'c'.repeat(257) };
    expect(() => encodePeerRequest(request)).toThrow(TypeError);
  });

  it('carries no fields that are not of the protocol', () => {
    const record = Object.assign(sampleRecord(), { lockedBy: 'a secret of the storage' });
    const ask = { partition: 0, record };
    expect(encodePeerRequest({ kind: 'addOrUpdate', ...ASKING, ask }).includes('secret')).toBe(false);
  });

  it('with a record that is not what was stamped is refused', () => {
    const ask = { partition: 0, record: sampleRecord({ value: Buffer.from('a value') }) };
    const asked = encodePeerRequest({ kind: 'addOrUpdate', ...ASKING, ask });
    asked[asked.indexOf('a value')]! ^= 1;
    expect(codeOf(() => decodePeerRequest('addOrUpdate', asked))).toBe('DKV_CORRUPT_RECORD');
  });
});

describe('the largest messages fit into their limits:', () => {
  const valueBytesMax = 1000;
  const key = '\u0001'.repeat(1024);
  const namespace = '\u0001'.repeat(64);
  const id = { partition: 2 ** 31, namespace, key };
  const version = joinVersion(longVersion(), 'n'.repeat(100), 2 ** 32 - 1);
  const requestId = 'f'.repeat(24);
  const largest = { key, namespace, version, modifiedMs: 2 ** 52, expiresAtMs: 2 ** 52 };
  const record = sampleRecord({ ...largest, value: new Uint8Array(valueBytesMax) });
  const envelope = {
    from: 'n'.repeat(100),
    configuration: '\u0001'.repeat(256),
    sentAtMs: 1234567890123.4567,
  };

  it('a forwarded write', () => {
    const visited = Array.from({ length: 64 }, () => 'n'.repeat(100));
    const operation = {
      kind: 'addOrUpdate',
      id,
      value: record.value,
      ttlMs: 2 ** 52,
      level: 'quorum',
      requestId,
    } as const;
    const ask = { operation, visited, timeoutMs: 1234.56789 };
    const bytes = encodePeerRequest({ kind: 'forward', ...envelope, ask }).length;
    expect(bytes).toBeLessThan(requestBytesMax(valueBytesMax));
  });

  it('the answers with a record, and a page of headers', () => {
    const headers = Array.from({ length: 1000 }, () => record);
    const replies: PeerReply[] = [
      { kind: 'getHeaders', ...envelope, answer: { headers, done: false } },
      { kind: 'get', ...envelope, answer: { record } },
      { kind: 'forward', ...envelope, answer: { record, existed: true } },
    ];
    expect(
      replies.map((reply) => encodePeerReply(reply).length).filter((bytes) => bytes >= replyBytesMax(1000)),
    ).toEqual([]);
  });
});

function longVersion(): string {
  return formatVersion({
    physicalMs: 2 ** 48 - 1,
    counter: 0xffff,
    nodeId: 'n'.repeat(100),
    boot: 2 ** 32 - 1,
  });
}
