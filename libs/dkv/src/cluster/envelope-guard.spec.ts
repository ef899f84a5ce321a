/** The door between peers: who is let in, who is refused, and how often the log hears of it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { CapturedLog } from '../../testing/captured-log.js';
import { type CapturedTelemetry, captureTelemetry } from '../../testing/captured-telemetry.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type PeerEnvelope } from '../model/peer-protocol.js';
import { ClusterView } from './cluster-view.js';
import { EnvelopeGuard } from './envelope-guard.js';
import { PeerTransitions } from './peer-transitions.js';

const NODES = testNodes('a', 'b', 'c');

let view: ClusterView;

let clock: ManualClock;
let log: CapturedLog;
let telemetry: CapturedTelemetry;
let transitions: PeerTransitions;
let guard: EnvelopeGuard;

beforeEach(() => {
  clock = new ManualClock();
  log = new CapturedLog();
  telemetry = captureTelemetry();
  view = ClusterView.of('a', testRing(NODES), NODES);
  transitions = new PeerTransitions(view, clock, log);
  guard = new EnvelopeGuard(view, 500, clock, transitions, telemetry);
});

/** An envelope of node b, its clock `aheadMs` ahead. */
function envelope(aheadMs = 0, differing: Partial<PeerEnvelope> = {}): PeerEnvelope {
  return { from: 'b', configuration: view.configuration, sentAtMs: clock.now() + aheadMs, ...differing };
}

it('puts on what the door of a peer looks at', () => {
  clock.advance(5);
  expect(guard.envelope()).toEqual({ from: 'a', configuration: view.configuration, sentAtMs: clock.now() });
});

describe('a message', () => {
  it.each([
    ['at the same time', 0],
    ['a little ahead', 1],
    ['as far ahead as is tolerated', 500],
    ['a little behind', -1],
    ['an hour behind', -3_600_000],
  ])('is let in from a clock %s', (_, aheadMs) => {
    guard.check(envelope(aheadMs));
    expect(telemetry.events).toEqual([`clockSkew b ${aheadMs / 1000}`]);
    expect(log.warnings).toEqual([]);
  });

  it.each([501, 3_600_000])('is refused from a clock %i ms ahead, counted and logged', (aheadMs) => {
    const error = caught(() => guard.check(envelope(aheadMs)));
    expect(error.code).toBe('DKV_CLOCK_SKEW');
    expect(error.message).toMatch(new RegExp(`node b is ${aheadMs} ms ahead of node a.*500 ms.*Synchronise`));
    expect(telemetry.events).toEqual([`clockSkew b ${aheadMs / 1000}`]);
    expect(log.warnings).toEqual([error.message]);
  });

  it.each<[string, Partial<PeerEnvelope>, RegExp]>([
    ['of other settings', { configuration: 'another' }, /different partitions or.*same configuration/],
    ['from a stranger', { from: 'stranger' }, /Node stranger is no member .* as node a knows it/],
    [
      'of other settings, its clock ahead as well',
      { configuration: 'another', sentAtMs: Infinity },
      /different partitions or/,
    ],
  ])('is refused %s, before its clock is looked at', (_, differing, message) => {
    const error = caught(() => guard.check(envelope(0, differing)));
    expect(error.code).toBe('DKV_CONFIGURATION_MISMATCH');
    expect(error.message).toMatch(message);
    expect(telemetry.events).toEqual([]);
    expect(log.warnings).toEqual([error.message]);
  });

  it('is let in from a guest, as long as it is one', () => {
    view.welcome(testNode('x'));
    guard.check(envelope(0, { from: 'x' }));
    view.dismiss('x');
    expect(caught(() => guard.check(envelope(0, { from: 'x' }))).code).toBe('DKV_CONFIGURATION_MISMATCH');
  });

  it('is let in from members of an epoch that this node does not know yet', () => {
    const members = [...NODES, testNode('d')];
    const later = new ClusterView('d', { ...view.agreed, epoch: 2, members }, view.hashFunc);
    expect(later.configuration).toBe(view.configuration);
    guard.check(envelope(0, { configuration: later.configuration }));
  });
});

describe('the skew of a clock', () => {
  it('is told ten times a second at most, of each peer, and always where it is refused', () => {
    for (let ms = 0; ms < 1_000; ms++) {
      guard.check(envelope(ms % 7));
      guard.check(envelope(0, { from: 'c' }));
      clock.advance(1);
    }
    expect(telemetry.events.filter((event) => event.startsWith('clockSkew b'))).toHaveLength(10);
    expect(telemetry.events.filter((event) => event.startsWith('clockSkew c'))).toHaveLength(10);
    caught(() => guard.check(envelope(600)));
    caught(() => guard.check(envelope(700)));
    expect(telemetry.events.slice(-2)).toEqual(['clockSkew b 0.6', 'clockSkew b 0.7']);
  });
});

describe('a member that was let in before', () => {
  it('is refused with its next message when that is of another configuration, and let in again', () => {
    for (let round = 0; round < 3; round++) {
      guard.check(envelope());
      expect(caught(() => guard.check(envelope(0, { configuration: 'another' }))).code).toBe(
        'DKV_CONFIGURATION_MISMATCH',
      );
      expect(caught(() => guard.check(envelope(501))).code).toBe('DKV_CLOCK_SKEW');
    }
  });
});

it('counts what it refuses, of each member and of all strangers together', () => {
  for (const from of ['b', 'b', 'c']) {
    caught(() => guard.check(envelope(9_999, { from })));
  }
  for (let number = 0; number < 5_000; number++) {
    caught(() => guard.check(envelope(0, { from: `stranger-${number}` })));
  }
  expect([...transitions.counts()]).toEqual([
    ['b', 'clock', 2],
    ['c', 'clock', 1],
    ['unknown', 'configuration', 5_000],
  ]);
});
