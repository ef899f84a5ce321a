/** What a write makes of what it found: every kind upon every state of a key, with every expectation. */
import { describe, expect, it } from 'vitest';
import { type WriteOperation } from '../model/peer-protocol.js';
import { type KvRecord, stampRecord, stampTombstone, verifyRecord } from '../model/record.js';
import { nodeRequestId, keyedRequestId, type RequestWindow, withRequest } from '../model/request-window.js';
import { formatVersion, type Version } from '../model/version.js';
import { decide, type Decision } from './decision.js';

const NOW_MS = 1_700_000_000_000;
const versionAt = (at: number) =>
  formatVersion({ physicalMs: NOW_MS + at, counter: 0, nodeId: 'a', boot: 1 });
const HELD_VERSION = versionAt(-1);
const OTHER_VERSION = versionAt(-2);
const BALLOT = versionAt(0);
/** Below all that the key remembers. */
const OLDER_VERSION = versionAt(-1_000);

const ID = { partition: 3, namespace: 'n', key: 'k' };
const OLD_VALUE = Buffer.from('old');
const NEW_VALUE = Buffer.from('new');
const NO_BYTES = new Uint8Array(0);

const REQUEST_ID = nodeRequestId(NOW_MS - 10, 1);
const EARLIER = { id: nodeRequestId(NOW_MS - 20, 1), version: HELD_VERSION };
/** As many as a record remembers of nodes' own. */
const WINDOW: RequestWindow = {
  applied: [1, 2, 3, 4].map((age) => ({ ...EARLIER, id: nodeRequestId(NOW_MS - 20, age) })),
  forgotten: nodeRequestId(NOW_MS - 30, 1),
};

const value = (differing: Partial<KvRecord> = {}): KvRecord =>
  stampRecord({
    namespace: ID.namespace,
    key: ID.key,
    version: HELD_VERSION,
    tombstone: false,
    expiresAtMs: 0,
    value: OLD_VALUE,
    modifiedMs: NOW_MS - 5,
    requests: WINDOW,
    ...differing,
  });

const STATES = {
  absent: undefined,
  tombstone: stampTombstone(ID, HELD_VERSION, { modifiedMs: NOW_MS - 5, requests: WINDOW }),
  expired: value({ expiresAtMs: NOW_MS }),
  expiring: value({ expiresAtMs: NOW_MS + 1 }),
  visible: value(),
} as const satisfies Record<string, KvRecord | undefined>;
type State = keyof typeof STATES;
type Kind = WriteOperation['kind'];

function operation(kind: Kind, differing: Partial<WriteOperation> = {}): WriteOperation {
  const bytes = kind === 'addOrUpdate' ? NEW_VALUE : NO_BYTES;
  return { kind, id: ID, value: bytes, ttlMs: 0, level: 'quorum', requestId: REQUEST_ID, ...differing };
}

/** `since`: the ballot under which the request was first proposed, if it was. */
function decided(state: State, asked: WriteOperation, since?: Version): Decision {
  return decide(asked, STATES[state], { version: BALLOT, nowMs: NOW_MS, since });
}

/** The decision in a word. */
function wordOf(decision: Decision): string {
  if (decision.kind === 'keep') {
    return decision.conflict ? 'conflict' : 'keep';
  }
  if (decision.kind !== 'write') {
    return decision.kind;
  }
  return decision.record.tombstone ? 'tombstone' : Buffer.from(decision.record.value).toString();
}

const TABLE: readonly [Kind, State, any: string, none: string, held: string, other: string][] = [
  // kind, what is there; then what happens if it expects: anything, no value, the version held, another one
  ['addOrUpdate', 'absent', 'new', 'new', 'conflict', 'conflict'],
  ['addOrUpdate', 'tombstone', 'new', 'new', 'conflict', 'conflict'],
  ['addOrUpdate', 'expired', 'new', 'new', 'conflict', 'conflict'],
  ['addOrUpdate', 'expiring', 'new', 'conflict', 'new', 'conflict'],
  ['addOrUpdate', 'visible', 'new', 'conflict', 'new', 'conflict'],
  ['remove', 'absent', 'keep', 'keep', 'conflict', 'conflict'],
  ['remove', 'tombstone', 'keep', 'keep', 'conflict', 'conflict'],
  // Its bytes are there: only a tombstone takes them away.
  ['remove', 'expired', 'tombstone', 'tombstone', 'conflict', 'conflict'],
  ['remove', 'expiring', 'tombstone', 'conflict', 'tombstone', 'conflict'],
  ['remove', 'visible', 'tombstone', 'conflict', 'tombstone', 'conflict'],
  ['touch', 'absent', 'keep', 'keep', 'conflict', 'conflict'],
  ['touch', 'tombstone', 'keep', 'keep', 'conflict', 'conflict'],
  ['touch', 'expired', 'keep', 'keep', 'conflict', 'conflict'],
  ['touch', 'expiring', 'old', 'conflict', 'old', 'conflict'],
  ['touch', 'visible', 'old', 'conflict', 'old', 'conflict'],
  ['read', 'absent', 'keep', 'keep', 'conflict', 'conflict'],
  ['read', 'tombstone', 'keep', 'keep', 'conflict', 'conflict'],
  ['read', 'expired', 'keep', 'keep', 'conflict', 'conflict'],
  ['read', 'expiring', 'keep', 'conflict', 'keep', 'conflict'],
  ['read', 'visible', 'keep', 'conflict', 'keep', 'conflict'],
];

describe('a request that did not take effect before', () => {
  it.each(TABLE)(
    '%s, %s there: expecting anything %s, none %s, what is held %s, another %s',
    (kind, state, ...expected) => {
      const wanted = [undefined, '', HELD_VERSION, OTHER_VERSION];
      expect(wanted.map((version) => wordOf(decided(state, operation(kind, { expected: version }))))).toEqual(
        expected,
      );
      // A second attempt decides the same, as long as nothing of its age was forgotten.
      expect(
        wanted.map((version) => wordOf(decided(state, operation(kind, { expected: version }), HELD_VERSION))),
      ).toEqual(expected);
    },
  );
});

describe('the record that is proposed', () => {
  it.each<[Kind, State]>([
    ['addOrUpdate', 'absent'],
    ['addOrUpdate', 'tombstone'],
    ['addOrUpdate', 'visible'],
    ['remove', 'visible'],
    ['touch', 'visible'],
  ])('of %s upon %s is sealed, has the ballot for a version and remembers its request', (kind, state) => {
    const decision = decided(state, operation(kind));
    const record = verifyRecord((decision as { record: KvRecord }).record, 'a test');
    const window = STATES[state]?.requests ?? { applied: [], forgotten: '' };
    expect(record).toMatchObject({
      namespace: ID.namespace,
      key: ID.key,
      version: BALLOT,
      modifiedMs: NOW_MS,
      tombstone: kind === 'remove',
      requests: withRequest(window, { id: REQUEST_ID, version: BALLOT }),
    });
    expect(record.requests.applied.at(-1)).toEqual({ id: REQUEST_ID, version: BALLOT });
  });

  it.each<[Kind, number, State, number]>([
    ['addOrUpdate', 0, 'expiring', 0],
    ['addOrUpdate', 1, 'visible', NOW_MS + 1],
    ['addOrUpdate', 60_000, 'absent', NOW_MS + 60_000],
    ['touch', 0, 'expiring', 0],
    ['touch', 60_000, 'visible', NOW_MS + 60_000],
    ['remove', 60_000, 'visible', 0],
  ])('of %s for %i ms upon %s expires at %i', (kind, ttlMs, state, expiresAtMs) => {
    expect(decided(state, operation(kind, { ttlMs }))).toMatchObject({ record: { expiresAtMs } });
  });

  it('of a removal has no value', () => {
    expect(decided('visible', operation('remove'))).toMatchObject({ record: { value: NO_BYTES } });
  });
});

describe('a request that took effect before', () => {
  const KINDS = ['addOrUpdate', 'remove', 'touch'] as const;
  const again = { requestId: EARLIER.id };

  it.each(
    KINDS.flatMap((kind) =>
      (['tombstone', 'expired', 'visible'] as const).map((state) => [kind, state] as const),
    ),
  )('%s, %s there, is told its version and writes nothing, be it a retry or not', (kind, state) => {
    for (const expected of [undefined, '', HELD_VERSION, OTHER_VERSION]) {
      for (const since of [undefined, OLDER_VERSION]) {
        expect(decided(state, operation(kind, { ...again, expected }), since)).toEqual({
          kind: 'applied',
          version: EARLIER.version,
        });
      }
    }
  });

  it('is no matter to a read', () => {
    expect(decided('visible', operation('read', again), OLDER_VERSION)).toEqual({
      kind: 'keep',
      conflict: false,
    });
  });
});

describe('a request first proposed before all that is remembered', () => {
  const old = { requestId: WINDOW.forgotten };

  it.each<[Kind, State, retry: boolean, string]>([
    ['addOrUpdate', 'visible', true, 'forgotten'],
    ['remove', 'visible', true, 'forgotten'],
    ['touch', 'visible', true, 'forgotten'],
    ['addOrUpdate', 'tombstone', true, 'forgotten'],
    ['addOrUpdate', 'expired', true, 'forgotten'],
    ['addOrUpdate', 'absent', true, 'new'],
    // Nobody can have carried it out before: its node is only slow.
    ['addOrUpdate', 'visible', false, 'new'],
    ['remove', 'visible', false, 'tombstone'],
    ['touch', 'visible', false, 'old'],
    ['read', 'visible', true, 'keep'],
  ])('%s, %s there, a retry: %s, is %s', (kind, state, retry, word) => {
    expect(wordOf(decided(state, operation(kind, old), retry ? OLDER_VERSION : undefined))).toBe(word);
  });

  it('is not judged by what it expects: that may be its own doing', () => {
    const asked = operation('addOrUpdate', { ...old, expected: OTHER_VERSION });
    expect(wordOf(decided('visible', asked, OLDER_VERSION))).toBe('forgotten');
  });

  it('is not one with a key of its caller', () => {
    const asked = operation('addOrUpdate', { requestId: keyedRequestId('000000000000') });
    expect(wordOf(decided('visible', asked, OLDER_VERSION))).toBe('new');
  });

  it('is not one that is newer', () => {
    expect(wordOf(decided('visible', operation('addOrUpdate'), HELD_VERSION))).toBe('new');
  });
});

it('decides alike every time, and changes nothing of what it was given', () => {
  const before = structuredClone(STATES);
  for (const [kind, state] of TABLE) {
    const [one, two] = [decided(state, operation(kind)), decided(state, operation(kind))];
    expect(one).toEqual(two);
  }
  expect(structuredClone(STATES)).toEqual(before);
});
