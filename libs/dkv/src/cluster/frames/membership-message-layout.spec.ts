/** Messages about members come back as they were sent; what was cut or damaged on its way is refused. */
import { type Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { isDkvError } from '../../dkv.errors.js';
import { ByteReader } from '../../model/byte-reader.js';
import { ByteWriter } from '../../model/byte-writer.js';
import { readMembershipMessage, writeMembershipMessage } from './membership-message-layout.js';

type Message = Parameters<typeof writeMembershipMessage>[1];

const FIRST = { members: ['a@1', 'b@2', 'c@3'], lists: [[0, 1], [1, 2], [2, 0, 1], []] };
const VOTERS = { voters: ['a@1', 'b@2'], outgoing: ['c@3'], learners: ['d@4'] };
const NODE = { nodeId: 'node-1.a', host: '10.0.0.1', port: 7_000, weight: 0.25, zone: 'nörth' };
const MESSAGES: readonly Message[] = [
  { kind: 'birth', clusterId: '0123456789ab', ...FIRST, classes: [0, 3], configuration: '{"zone":"Zürich"}' },
  { kind: 'birth', clusterId: '', members: [], lists: [], classes: [], configuration: '' },
  { kind: 'born', clusterId: '0123456789ab' },
  { kind: 'birthWithdrawn', clusterId: '' },
  { kind: 'birthContested', clusterId: '0123456789ab' },
  { kind: 'birthAccepted', clusterId: '0123456789ab' },
  { kind: 'class', placement: 2, intent: 'ask', members: [], lists: [], isBorn: false },
  { kind: 'class', placement: 1, intent: 'propose', ...FIRST, isBorn: false },
  { kind: 'class', placement: 3, intent: 'tell', ...FIRST, isBorn: true },
  { kind: 'guest', node: NODE, wishes: 17 },
  { kind: 'askConfiguration' },
  {
    kind: 'copying',
    receivedBytes: 2 ** 40,
    waitingBytes: 0,
    sizes: [{ group: 63, bytes: 2 ** 33 }],
    copied: [
      { group: 7, bytes: 0 },
      { group: 8, bytes: 1 },
    ],
  },
  { kind: 'configuration', text: '{"zone":"Zürich"}' },
  {
    kind: 'arrived',
    groups: [
      { group: 0, epoch: 5 },
      { group: 65_534, epoch: 700_000 },
    ],
  },
  { kind: 'arrived', groups: [] },
  { kind: 'copied', places: [{ place: 3, epoch: 7 }], emptyAt: 0 },
  { kind: 'copied', places: [], emptyAt: 2 ** 40 },
  { kind: 'mayGiveUp', group: 3, generation: 2 },
  { kind: 'giveUp', group: 3, generation: 2, index: 5_000_000_000, term: 9, configuration: VOTERS },
  { kind: 'giveUp', group: 3, generation: 2, index: 1, term: 1, configuration: { ...VOTERS, epoch: 12 } },
];

function bytesOf(message: Message): Buffer {
  const to = new ByteWriter();
  to.begin(0);
  writeMembershipMessage(to, message);
  return to.copy(0, to.length);
}

/** Undefined for what is refused as malformed. */
function read(bytes: Buffer, kind: Message['kind']): unknown {
  try {
    return readMembershipMessage(new ByteReader(bytes), kind);
  } catch (error) {
    if (isDkvError(error, 'DKV_PROTOCOL')) {
      return undefined;
    }
    throw error;
  }
}

describe.each(MESSAGES.map((message): [string, Message] => [message.kind, message]))(
  '%s',
  (kind, message) => {
    it('comes back as it was, to its last byte', () => {
      const from = new ByteReader(bytesOf(message));
      expect(readMembershipMessage(from, message.kind)).toEqual(message);
      expect(from.left, kind).toBe(0);
    });

    it('is refused where its end is missing', () => {
      const bytes = bytesOf(message);
      for (let length = 0; length < bytes.length; length++) {
        expect(
          read(bytes.subarray(0, length), message.kind),
          `${length} of ${bytes.length} bytes`,
        ).toBeUndefined();
      }
    });
  },
);

it('reads or refuses whatever comes, and never fails in another way', () => {
  const random = new SimRandom('membership messages');
  let refused = 0;
  for (let round = 0; round < 5_000; round++) {
    const message = random.pick(MESSAGES);
    const bytes = bytesOf(random.pick(MESSAGES));
    for (let change = random.int(4); change >= 0 && bytes.length > 0; change--) {
      bytes[random.int(bytes.length)] = random.int(256);
    }
    refused += read(bytes, message.kind) === undefined ? 1 : 0;
  }
  expect(refused).toBeGreaterThan(1_000);
});

it('takes no memory for what a message only claims to have', () => {
  const to = new ByteWriter();
  to.begin(0);
  to.count(2 ** 40);
  expect(read(to.copy(0, to.length), 'arrived')).toBeUndefined();
  expect(read(to.copy(0, to.length), 'configuration')).toBeUndefined();
});
