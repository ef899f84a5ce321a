import { describe, expect, it } from 'vitest';
import { answerFrame, cancelFrame, errorFrame, type Outgoing, requestFrame, wordFrame } from './outgoing.js';
import { ODD_KEYS, question, sampleExchanges, sampleRecord } from '../../../testing/transport/samples.js';
import { type DkvError, isDkvError } from '../../dkv.errors.js';
import { PEER_REQUEST_KINDS, type PeerRequest } from '../../model/peer-protocol.js';
import { ByteReader } from '../../model/byte-reader.js';
import { ByteWriter } from '../../model/byte-writer.js';
import { BATCH_BYTES, CHUNK_BYTES, FRAME, HEAD_BYTES } from './frame-layout.js';

/** A batch, one more frame, one more chunk and their heads. */
const WRITE_BYTES_MAX = BATCH_BYTES + 2 * CHUNK_BYTES + 1024;
import {
  decodeReply,
  decodeRequest,
  type FrameHandler,
  FrameReceiver,
  type Incoming,
} from './frame-receiver.js';
import { FrameSender } from './frame-sender.js';
import { KIND_NUMBERS } from '../messages/message-codec.js';

/** The writes in which a sender puts `frames` that are there at once. */
function messagesOf(...frames: Outgoing[]): Buffer[] {
  const messages: Buffer[] = [];
  const tasks: (() => void)[] = [];
  const sender = new FrameSender((task) => tasks.push(task));
  sender.open({
    send(parts, flushed) {
      messages.push(Buffer.concat(parts));
      tasks.push(flushed);
    },
  });
  frames.forEach((frame) => sender.add(frame));
  for (let task = tasks.shift(); task; task = tasks.shift()) {
    task();
  }
  expect(sender.unsentBytes).toBe(0);
  return messages;
}

/** One frame of this type. */
function frame(type: number, ...fields: number[]): Buffer {
  const head = Buffer.alloc(HEAD_BYTES, type);
  head.writeUInt32BE(fields.length, 0);
  return Buffer.concat([head, Buffer.from(fields)]);
}

class Recorder implements FrameHandler {
  readonly got: Incoming[] = [];
  readonly words: unknown[] = [];
  bytesMax = Infinity;

  constructor(readonly takes: FrameHandler['takes']) {}

  admits(id: number, totalBytes: number): boolean {
    this.words.push(['begins', id, totalBytes]);
    return totalBytes <= this.bytesMax;
  }
  incoming(message: Incoming): void {
    this.got.push(message);
  }
  failed(...error: [number, string, string]): void {
    this.words.push(error);
  }
  cancelled(id: number): void {
    this.words.push(['cancelled', id]);
  }
  goodbye(): void {
    this.words.push('goodbye');
  }
}

function received(takes: FrameHandler['takes'], messages: readonly Buffer[]): Recorder {
  const recorder = new Recorder(takes);
  const receiver = new FrameReceiver(recorder);
  messages.forEach((message) => receiver.receive(message));
  return recorder;
}

function failureOf(act: () => unknown): DkvError {
  try {
    act();
  } catch (error) {
    expect(isDkvError(error), String(error)).toBe(true);
    return error as DkvError;
  }
  throw new Error('It should have failed.');
}

/** Buffers are as good as the Uint8Arrays of samples, undefined as absent. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, field: unknown) => (isBytes(field) ? hexOf(field) : field)));
}

function isBytes(field: unknown): field is Uint8Array | { data: number[] } {
  return field instanceof Uint8Array || (field as { type?: unknown } | null)?.type === 'Buffer';
}

function hexOf(field: Uint8Array | { data: number[] }): string {
  return Buffer.from(field instanceof Uint8Array ? field : field.data).toString('hex');
}

const SAMPLES = sampleExchanges(300_000);

describe('frames', () => {
  it.each(SAMPLES)('carry $name', ({ request, reply }) => {
    const [asked] = received(FRAME.REQUEST, messagesOf(requestFrame(7, request))).got;
    expect(asked?.id).toBe(7);
    expect(plain(decodeRequest(asked!))).toEqual(plain(request));
    const [answered] = received(FRAME.ANSWER, messagesOf(answerFrame(4_000_000_000, reply))).got;
    expect(answered?.id).toBe(4_000_000_000);
    expect(plain(decodeReply(request.kind, answered!))).toEqual(plain(reply));
  });

  it.each(ODD_KEYS.map((key) => ({ key })))('carry the key $key', ({ key }) => {
    const request: PeerRequest<'get'> = { ...question(), ask: { id: { partition: 1, namespace: 'é', key } } };
    const [asked] = received(FRAME.REQUEST, messagesOf(requestFrame(1, request))).got;
    expect(decodeRequest(asked!)).toEqual(request);
  });

  it('are several in one message, that names who speaks once', () => {
    const [message, ...others] = messagesOf(requestFrame(1, question()), requestFrame(2, question()));
    expect(others).toEqual([]);
    expect(message!.toString('latin1').split('c0ffee')).toHaveLength(2);
    expect(received(FRAME.REQUEST, [message!]).got.map(({ id }) => id)).toEqual([1, 2]);
  });

  it('let small ones pass between the chunks of large ones, in turn', () => {
    const large = sampleExchanges(200_000).find(({ name }) => name === 'addOrUpdate: a large value')!.request;
    const messages = messagesOf(requestFrame(1, large), requestFrame(2, large), requestFrame(3, question()));
    expect(received(FRAME.REQUEST, messages.slice(0, 1)).got.map(({ id }) => id)).toEqual([3]);
    expect(received(FRAME.REQUEST, messages).got.map(({ id }) => id)).toEqual([3, 1, 2]);
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThan(WRITE_BYTES_MAX);
  });

  it('make messages of bounded size', () => {
    const record = sampleRecord({ value: new Uint8Array(CHUNK_BYTES - 1000) });
    const request: PeerRequest = { ...question(), kind: 'addOrUpdate', ask: { partition: 0, record } };
    const messages = messagesOf(...Array.from({ length: 20 }, (_, i) => requestFrame(i, request)));
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThan(WRITE_BYTES_MAX);
    expect(received(FRAME.REQUEST, messages).got).toHaveLength(20);
  });

  it('carry errors, cut, and the words between', () => {
    const error = { code: 'DKV_NOT_APPLIED', message: 'x🛰'.repeat(2000) };
    const { words } = received(
      FRAME.ANSWER,
      messagesOf(errorFrame(5, error), wordFrame(FRAME.GOODBYE), cancelFrame(6)),
    );
    expect(words).toEqual([
      [5, error.code, error.message.slice(0, 2000).toWellFormed()],
      'goodbye',
      ['cancelled', 6],
    ]);
  });

  it('take back what has not left', () => {
    const messages: Buffer[] = [];
    const tasks: (() => void)[] = [];
    const sender = new FrameSender((task) => tasks.push(task));
    const frames = [1, 2, 3].map((id) => requestFrame(id, question()));
    frames.forEach((frame) => sender.add(frame));
    sender.remove(frames[1]!);
    sender.open({ send: (parts) => messages.push(Buffer.concat(parts)) });
    tasks.forEach((task) => task());
    expect(received(FRAME.REQUEST, messages).got.map(({ id }) => id)).toEqual([1, 3]);
    expect(frames.map(({ sent }) => sent)).toEqual([true, false, true]);
  });

  it('take back any of many, behind urgent ones, and forget what nobody wants', () => {
    const messages: Buffer[] = [];
    const tasks: (() => void)[] = [];
    const sender = new FrameSender((task) => tasks.push(task));
    const frames = Array.from({ length: 100 }, (_, id) => requestFrame(id, question()));
    const isUrgent = (id: number) => id % 10 === 9;
    frames.forEach((frame, id) => sender.add(frame, isUrgent(id)));
    const isWanted = (id: number) => isUrgent(id) || id % 3 === 0;
    frames.filter((_, id) => !isWanted(id)).forEach((frame) => sender.remove(frame));
    expect(sender.unsentBytes).toBe(40 * frames[0]!.bytes.length);
    sender.open({ send: (parts) => messages.push(Buffer.concat(parts)) });
    tasks.splice(0).forEach((task) => task());
    const ids = frames.map(({ id }) => id).filter(isWanted);
    const [urgent, others] = [ids.filter(isUrgent), ids.filter((id) => !isUrgent(id))];
    expect(received(FRAME.REQUEST, messages).got.map(({ id }) => id)).toEqual([...urgent, ...others]);
    expect(frames.map(({ sent }) => sent)).toEqual(frames.map(({ id }) => isWanted(id)));
    const late = requestFrame(100, question());
    sender.add(late);
    sender.remove(late);
    sender.remove(frames[0]!);
    tasks.splice(0).forEach((task) => task());
    expect(messages).toHaveLength(1);
  });

  it('drop the chunks of what is not admitted', () => {
    const recorder = new Recorder(FRAME.REQUEST);
    recorder.bytesMax = 0;
    const receiver = new FrameReceiver(recorder);
    const large = sampleExchanges(200_000).find(({ name }) => name === 'addOrUpdate: a large value')!.request;
    messagesOf(requestFrame(1, large)).forEach((message) => receiver.receive(message));
    expect(recorder.got).toEqual([]);
    expect(recorder.words).toHaveLength(1);
  });
});

describe('frames that are wrong', () => {
  it.each(SAMPLES)('of $name: are not handed on before they have come, in whatever pieces', ({ request }) => {
    const whole = Buffer.concat(messagesOf(requestFrame(7, request)));
    for (const at of [1, 3, 5, 6, 20, whole.length >> 1, whole.length - 1]) {
      const recorder = new Recorder(FRAME.REQUEST);
      const receiver = new FrameReceiver(recorder);
      receiver.receive(whole.subarray(0, at));
      expect(recorder.got).toEqual([]);
      receiver.receive(whole.subarray(at));
      expect(recorder.got).toHaveLength(1);
      expect(plain(decodeRequest(recorder.got[0]!))).toEqual(plain(request));
    }
    const bitwise = new Recorder(FRAME.REQUEST);
    const receiver = new FrameReceiver(bitwise);
    for (const byte of whole.subarray(0, 3000)) {
      receiver.receive(Buffer.of(byte));
    }
    receiver.receive(whole.subarray(3000));
    expect(plain(decodeRequest(bitwise.got[0]!))).toEqual(plain(request));
  });

  it.each(SAMPLES)('of $name: are refused when their fields end early or late', ({ request }) => {
    const [asked] = received(FRAME.REQUEST, messagesOf(requestFrame(7, request))).got;
    const whole = Buffer.from(
      (asked!.body as unknown as { bytes: Buffer }).bytes.subarray(
        (asked!.body as unknown as { at: number }).at,
        (asked!.body as unknown as { end: number }).end,
      ),
    );
    const decode = (body: Buffer) => decodeRequest({ ...asked!, body: new ByteReader(body) });
    decode(whole);
    expect(failureOf(() => decode(Buffer.concat([whole, Buffer.of(0)]))).code).toBe('DKV_PROTOCOL');
    for (let length = Math.max(0, whole.length - 500); length < whole.length; length++) {
      expect(failureOf(() => decode(whole.subarray(0, length))).code).toMatch(
        /^DKV_(PROTOCOL|CORRUPT_RECORD)$/,
      );
    }
  });

  it.each([
    ['an unknown type', frame(99), /type 99/],
    ['one-way frames where none are taken', frame(FRAME.POST), /type 10/],
    ['nobody speaking', frame(FRAME.REQUEST, 1, 1), /nobody/],
    ['longer than any', Buffer.of(0, 2, 0, 0, FRAME.REQUEST), /type 1 has 131072 bytes/],
    ['longer than any of one-way frames', Buffer.of(0, 0, 0, 1, FRAME.POST, 1), /type 10 has 1 bytes/],
    ['a number past 2^53', frame(FRAME.CHUNK, ...Array<number>(8).fill(0xff), 1), /2\^53/],
    ['a number that never ends', frame(FRAME.CHUNK, ...Array<number>(500).fill(0x80)), /2\^53/],
    ['a number that is cut', frame(FRAME.CANCEL, 0x80), /too early/],
    ['a word with something behind it', frame(FRAME.CANCEL, 1, 1), /1 bytes follow/],
    ['a node id that is none', frame(FRAME.ORIGIN, 1, 0x21, 0), /node id/],
    ['text that is not UTF-8', frame(FRAME.ORIGIN, 1, 0x61, 1, 0xff), /UTF-8/],
  ])('are refused: %s', (_, message, what) => {
    const error = failureOf(() => received(FRAME.REQUEST, [message]));
    expect(error.code).toBe('DKV_PROTOCOL');
    expect(error.message).toMatch(what);
  });

  it('are answers where requests are taken', () => {
    const { request, reply } = SAMPLES[0]!;
    const [asked, answered] = [messagesOf(requestFrame(1, request)), messagesOf(answerFrame(1, reply))];
    expect(failureOf(() => received(FRAME.ANSWER, asked)).code).toBe('DKV_PROTOCOL');
    expect(failureOf(() => received(FRAME.REQUEST, answered)).code).toBe('DKV_PROTOCOL');
  });

  it('are of a kind that is unknown, or another than asked', () => {
    const [asked] = received(FRAME.REQUEST, messagesOf(requestFrame(1, question()))).got;
    for (const kind of [0, 13, 255]) {
      expect(failureOf(() => decodeRequest({ ...asked!, kind })).code).toBe('DKV_PROTOCOL');
    }
    const [answered] = received(FRAME.ANSWER, messagesOf(answerFrame(1, SAMPLES[0]!.reply))).got;
    expect(failureOf(() => decodeReply('getTree', answered!)).message).toMatch(
      /a getTree was answered as a get/,
    );
  });

  it('have records that do not match their checksum', () => {
    const record = { ...sampleRecord(), value: Uint8Array.of(1) };
    const request: PeerRequest = { ...question(), kind: 'addOrUpdate', ask: { partition: 0, record } };
    const [asked] = received(FRAME.REQUEST, messagesOf(requestFrame(1, request))).got;
    expect(failureOf(() => decodeRequest(asked!)).code).toBe('DKV_CORRUPT_RECORD');
  });

  it('announce more elements than they have bytes', () => {
    const writer = new ByteWriter();
    writer.begin(0);
    writer.count(64);
    writer.count(1);
    const error = failureOf(() => new ByteReader(writer.take(0)).elements(64));
    expect(error.message).toMatch(/64 elements where 1 can be/);
  });

  it('begin in chunks what is small, or go on with chunks of another size', () => {
    const origin = frame(FRAME.ORIGIN, 1, 0x61, 0);
    const begin = (total: number, chunk: number) => {
      const writer = new ByteWriter();
      writer.begin(0);
      [1, KIND_NUMBERS.get].forEach((byte) => writer.byte(byte));
      writer.count(total);
      return Buffer.concat([origin, frame(FRAME.BEGIN, ...writer.take(0), ...new Uint8Array(chunk))]);
    };
    const chunk = frame(FRAME.CHUNK, 1, 0, 0, 0);
    const good = begin(2 * CHUNK_BYTES, CHUNK_BYTES);
    for (const messages of [
      [begin(CHUNK_BYTES, CHUNK_BYTES)],
      [begin(10 * CHUNK_BYTES, 5)],
      [good, good],
      [good, chunk],
    ]) {
      expect(failureOf(() => received(FRAME.REQUEST, messages)).code).toBe('DKV_PROTOCOL');
    }
  });
});

describe('the numbers of kinds', () => {
  it('are of one kind each', () => {
    expect(new Set(Object.values(KIND_NUMBERS)).size).toBe(PEER_REQUEST_KINDS.length);
  });
});
