/** Bursts in portions: all of them, in order, no more of them in a turn than is allowed, and nothing read meanwhile. */
import { beforeEach, describe, expect, it } from 'vitest';
import { question } from '../../../testing/transport/samples.js';
import { FrameIntake } from './frame-intake.js';
import { FRAME, FRAMES_PER_TURN } from './frame-layout.js';
import { FrameReceiver } from './frame-receiver.js';
import { FrameSender } from './frame-sender.js';
import { requestFrame } from './outgoing.js';

let ids: number[];
let events: string[];
let turns: (() => void)[];
let intake: FrameIntake;

beforeEach(() => {
  ids = [];
  events = [];
  turns = [];
  const receiver = new FrameReceiver({
    takes: FRAME.REQUEST,
    admits: () => true,
    incoming: ({ id }) => void ids.push(id),
  });
  intake = new FrameIntake(receiver, (task) => void turns.push(task), {
    pause: () => void events.push('pause'),
    read: () => void events.push('read'),
    broken: (error) => void events.push(String(error)),
  });
});

function turn(): void {
  turns.splice(0).forEach((task) => task());
}

/** One message with requests of these ids. */
function messageOf(first: number, count: number): Buffer {
  const messages: Buffer[] = [];
  const sender = new FrameSender((task) => task());
  for (let id = first; id < first + count; id++) {
    sender.add(requestFrame(id, question()));
  }
  sender.open({ send: (parts) => messages.push(Buffer.concat(parts)) });
  expect(messages).toHaveLength(1);
  return messages[0]!;
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a burst', () => {
  it('that is small comes at once', () => {
    intake.receive(messageOf(0, FRAMES_PER_TURN - 1));
    expect(ids).toEqual(upTo(FRAMES_PER_TURN - 1));
    expect([turns, events]).toEqual([[], []]);
  });

  it('that is large comes in portions, and nothing is read until all of it has', () => {
    const count = 3 * FRAMES_PER_TURN;
    intake.receive(messageOf(0, count));
    intake.receive(messageOf(count, 5));
    let seen = 0;
    while (intake.isBehind) {
      expect(ids.length).toBeGreaterThan(seen);
      expect(ids.length - seen).toBeLessThanOrEqual(FRAMES_PER_TURN);
      expect(events).toEqual(['pause']);
      seen = ids.length;
      turn();
    }
    expect(ids).toEqual(upTo(count + 5));
    expect(events).toEqual(['pause', 'read']);
    intake.receive(messageOf(count + 5, 1));
    expect(ids).toHaveLength(count + 6);
    expect(turns).toEqual([]);
  });

  it('is handed on whole when the connection ends, and what comes then is not', () => {
    intake.receive(messageOf(0, 3 * FRAMES_PER_TURN));
    intake.drain();
    intake.receive(messageOf(1, 1));
    turn();
    expect(ids).toEqual(upTo(3 * FRAMES_PER_TURN));
    expect(events).toEqual(['pause', 'read']);
  });

  it('is forgotten when nobody wants it any more', () => {
    intake.receive(messageOf(0, 3 * FRAMES_PER_TURN));
    const seen = ids.length;
    intake.end();
    turn();
    expect(ids).toHaveLength(seen);
    expect(events).toEqual(['pause', 'read']);
  });

  it('that is not of the protocol is told of once, after what was right before', () => {
    intake.receive(Buffer.concat([messageOf(0, FRAMES_PER_TURN + 9), Buffer.of(0, 0, 0, 0, 99)]));
    expect(events).toEqual(['pause']);
    turn();
    intake.receive(messageOf(0, 1));
    expect(ids).toEqual(upTo(FRAMES_PER_TURN + 9));
    expect(events).toEqual(['pause', expect.stringMatching(/type 99/)]);
  });
});
