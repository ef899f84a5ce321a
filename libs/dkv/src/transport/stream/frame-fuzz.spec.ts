/** Bytes that nobody should send: mutated messages, in numbers. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ANSWERING, sampleExchanges } from '../../../testing/transport/samples.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { isDkvError } from '../../dkv.errors.js';
import { type PeerRequestKind } from '../../model/peer-protocol.js';
import { CHUNK_BYTES, FRAME } from './frame-layout.js';
import {
  decodeReply,
  decodeRequest,
  type FrameHandler,
  FrameReceiver,
  type Incoming,
} from './frame-receiver.js';
import { answerFrame, cancelFrame, errorFrame, originBytes, requestFrame } from './outgoing.js';

/** Raise it to look longer. */
const MESSAGES = 1_000_000;
const SEED = 20_261_123;
/** What may lie about until it is collected. */
const GROWTH_BYTES_MAX = 256 * 1024 * 1024;
/** As many of one kind in a row. */
const MESSAGES_PER_RECEIVER = 50;
const MUTATIONS_MAX = 4;
const NUMBERS = [0, 1, 2, 0x7f, 0x80, 0xff];

const random = new SimRandom(SEED);
const upTo = (bound: number) => Math.floor(random.next() * bound);

class Decoder implements FrameHandler {
  readonly takes: FrameHandler['takes'];
  decoded = 0;
  refused = 0;

  constructor(private readonly replyTo: PeerRequestKind | undefined) {
    this.takes = replyTo === undefined ? FRAME.REQUEST : FRAME.ANSWER;
  }
  admits(_id: number, totalBytes: number): boolean {
    return totalBytes <= 16 * CHUNK_BYTES;
  }
  incoming(message: Incoming): void {
    try {
      if (this.replyTo === undefined) {
        decodeRequest(message);
      } else {
        decodeReply(this.replyTo, message);
      }
      this.decoded++;
    } catch (error) {
      assertRefused(error);
      this.refused++;
    }
  }
  failed(): void {}
  cancelled(): void {}
  goodbye(): void {}
  posted(): void {}
}

function assertRefused(error: unknown): void {
  if (!isDkvError(error, 'DKV_PROTOCOL', 'DKV_CORRUPT_RECORD')) {
    throw error;
  }
}

/** Small messages with every kind in them, as one side sends them. */
function sources(side: 'ask' | 'answer'): { readonly kind: PeerRequestKind; readonly message: Buffer }[] {
  return sampleExchanges(100).flatMap(({ request, reply }) => {
    const frame = side === 'ask' ? requestFrame(3, request) : answerFrame(3, reply);
    const word = side === 'ask' ? cancelFrame(2) : errorFrame(2, { code: 'DKV_CONFLICT', message: 'no' });
    const parts = [originBytes(ANSWERING), frame.bytes, word.bytes];
    const message = Buffer.concat(parts);
    return message.length < 2000 ? [{ kind: request.kind, message }] : [];
  });
}

function mutate(message: Buffer, other: Buffer): Buffer {
  let mutant = Buffer.from(message);
  for (let left = 1 + upTo(MUTATIONS_MAX); left > 0; left--) {
    const at = upTo(mutant.length);
    switch (upTo(7)) {
      case 0:
      case 1:
        mutant[at] = upTo(256);
        break;
      case 2:
        mutant[at] = NUMBERS[upTo(NUMBERS.length)]!;
        break;
      case 3:
        mutant[at]! ^= 1 << upTo(8);
        break;
      case 4:
        mutant = mutant.subarray(0, at + 1);
        break;
      case 5:
        mutant = Buffer.concat([mutant.subarray(0, at), other.subarray(upTo(other.length))]);
        break;
      default:
        mutant.copy(mutant, upTo(mutant.length), at);
    }
  }
  return mutant;
}

let stackTraceLimit: number;
beforeAll(() => {
  // Traces cost more than everything that is tried here.
  stackTraceLimit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

it.each(['ask', 'answer'] as const)('takes or refuses whatever comes as an %s', (side) => {
  const seeds = sources(side);
  const start = process.memoryUsage().rss;
  let [decoded, refused, closed] = [0, 0, 0];
  for (let left = MESSAGES / 2; left > 0; left -= MESSAGES_PER_RECEIVER) {
    const { kind } = seeds[upTo(seeds.length)]!;
    const decoder = new Decoder(side === 'ask' ? undefined : kind);
    const own = side === 'ask' ? seeds : seeds.filter((seed) => seed.kind === kind);
    for (let i = 0; i < MESSAGES_PER_RECEIVER; i++) {
      const mutant = mutate(own[upTo(own.length)]!.message, seeds[upTo(seeds.length)]!.message);
      // A stream of its own: a length that is wrong makes nonsense of all that comes after it.
      const receiver = new FrameReceiver(decoder, 1000);
      const at = upTo(mutant.length);
      try {
        receiver.receive(mutant.subarray(0, at));
        receiver.receive(mutant.subarray(at));
      } catch (error) {
        assertRefused(error);
        closed++;
      }
    }
    decoded += decoder.decoded;
    refused += decoder.refused;
  }
  // All three ends were met often: the mutants are neither all harmless nor all nonsense.
  for (const ends of [decoded, refused, closed]) {
    expect(ends).toBeGreaterThan(MESSAGES / 100);
  }
  expect(process.memoryUsage().rss - start).toBeLessThan(GROWTH_BYTES_MAX);
});
