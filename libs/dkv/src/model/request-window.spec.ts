/** What a key remembers of requests: never that a request is new which took effect, as long as it can know. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import {
  appliedIn,
  isRequestId,
  keyedRequestId,
  mayBeForgotten,
  NO_REQUESTS,
  nodeRequestId,
  type RequestId,
  REQUESTS_MAX,
  type RequestWindow,
  withRequest,
} from './request-window.js';
import { formatVersion } from './version.js';

const NOW_MS = 1_700_000_000_000;
const NODE_REQUESTS = 4;
const KEYED_REQUESTS = 64;

const versionAt = (at: number) =>
  formatVersion({ physicalMs: NOW_MS + at, counter: 0, nodeId: 'a', boot: 1 });
const nodes = (at: number): RequestId => nodeRequestId(NOW_MS + at, 7);
const keyed = (at: number): RequestId => keyedRequestId(at.toString(16).padStart(12, '0'));

/** The window after these took effect, in this order. */
function windowOf(...ids: RequestId[]): RequestWindow {
  return ids.reduce((window, id, at) => withRequest(window, { id, version: versionAt(at) }), NO_REQUESTS);
}

const range = (count: number) => [...Array(count).keys()];
const idsIn = ({ applied }: RequestWindow) => applied.map(({ id }) => id);

describe('the id of a request', () => {
  it.each<[string, RequestId, string]>([
    ['of a node: its moment, then what is unique', nodeRequestId(NOW_MS, 0xabc), '018bcfe56800000000000abc'],
    ['of a node, the highest', nodeRequestId(NOW_MS, 2 ** 48 - 1), '018bcfe56800ffffffffffff'],
    ["of a caller's key: above every node's", keyedRequestId('0123456789abcdef'), 'ffffffffffff0123456789ab'],
  ])('%s', (_, id, expected) => {
    expect(id).toBe(expected);
    expect(isRequestId(id)).toBe(true);
  });

  it.each([
    '',
    '018bcfe56800000000000ab',
    '018bcfe56800000000000abcd',
    '018BCFE56800000000000ABC',
    '018bcfe56800000000000abg',
    '018bcfe56800000000000abc\n',
    undefined,
    null,
    18,
    ['018bcfe56800000000000abc'],
  ])('is not %j', (value) => {
    expect(isRequestId(value)).toBe(false);
  });

  it('of a node orders as its moments do', () => {
    const random = new SimRandom('ids');
    const moments = Array.from({ length: 200 }, () => random.int(2 ** 45));
    const inOrder = [...moments].sort((one, two) => one - two);
    expect(
      moments
        .map((ms) => nodeRequestId(ms, random.int(2 ** 48)))
        .sort()
        .map((id) => parseInt(id.slice(0, 12), 16)),
    ).toEqual(inOrder);
  });
});

describe('a request that took effect', () => {
  it('is found with the version it made', () => {
    const window = windowOf(nodes(0), keyed(1), nodes(2));
    expect(range(4).map((at) => appliedIn(window, at === 1 ? keyed(1) : nodes(at))?.version)).toEqual([
      versionAt(0),
      versionAt(1),
      versionAt(2),
      undefined,
    ]);
  });

  it('is not found in a record that remembers none', () => {
    expect(appliedIn(NO_REQUESTS, nodes(0))).toBeUndefined();
    expect(mayBeForgotten(NO_REQUESTS, nodes(0))).toBe(false);
    expect(mayBeForgotten(NO_REQUESTS, keyed(0))).toBe(false);
  });

  it('leaves the window before it as it is', () => {
    const before = windowOf(...range(NODE_REQUESTS).map(nodes));
    const copy = structuredClone(before);
    expect(withRequest(before, { id: nodes(9), version: versionAt(9) })).not.toBe(before);
    expect(before).toEqual(copy);
    expect(NO_REQUESTS).toEqual({ applied: [], forgotten: '' });
  });
});

describe('of the requests of nodes', () => {
  it.each<[string, number[], number[], number | undefined]>([
    ['one is kept', [5], [5], undefined],
    ['four are kept', [1, 2, 3, 4], [1, 2, 3, 4], undefined],
    ['a fifth lets the first go', [1, 2, 3, 4, 5], [2, 3, 4, 5], 1],
    ['the first to take effect goes, not the first made', [4, 1, 2, 3, 5], [1, 2, 3, 5], 4],
    ['the highest that went is remembered', [9, 1, 2, 3, 4, 5], [2, 3, 4, 5], 9],
  ])('%s: made at %j', (_, made, kept, forgotten) => {
    const window = windowOf(...made.map(nodes));
    expect(window).toMatchObject({ forgotten: forgotten === undefined ? '' : nodes(forgotten) });
    expect(idsIn(window)).toEqual(kept.map(nodes));
  });

  it.each<[string, RequestId, boolean]>([
    ['one that was let go', nodes(2), true],
    ['one as old as any that was let go', nodes(1), true],
    ['one made a moment later', nodeRequestId(NOW_MS + 2, 8), false],
    ['one that is newer', nodes(7), false],
  ])('after some were let go, %s may be forgotten: %s is %s', (_, id, forgotten) => {
    expect(mayBeForgotten(windowOf(...[1, 2, 3, 4, 5, 6].map(nodes)), id)).toBe(forgotten);
  });
});

describe("of the requests with a caller's key", () => {
  it('sixty-four are kept, and the first goes without a trace', () => {
    const full = windowOf(...range(KEYED_REQUESTS).map(keyed));
    expect(idsIn(full)).toEqual(range(KEYED_REQUESTS).map(keyed));
    const window = withRequest(full, { id: keyed(99), version: versionAt(99) });
    expect(idsIn(window)).toEqual([...range(KEYED_REQUESTS).slice(1), 99].map(keyed));
    expect(window.forgotten).toBe('');
    expect(mayBeForgotten(window, keyed(0))).toBe(false);
  });

  it('none pushes out one of a node, nor the other way round', () => {
    const both = windowOf(...range(NODE_REQUESTS).map(nodes), ...range(KEYED_REQUESTS).map(keyed));
    expect(both.applied).toHaveLength(REQUESTS_MAX);
    const keyedMore = withRequest(both, { id: keyed(99), version: versionAt(99) });
    expect(range(NODE_REQUESTS).every((at) => appliedIn(keyedMore, nodes(at)))).toBe(true);
    expect(keyedMore.forgotten).toBe('');
    const nodeMore = withRequest(both, { id: nodes(99), version: versionAt(99) });
    expect(range(KEYED_REQUESTS).every((at) => appliedIn(nodeMore, keyed(at)))).toBe(true);
    expect(nodeMore.forgotten).toBe(nodes(0));
  });

  it('none counts as forgotten because a node is', () => {
    const window = windowOf(...range(9).map(nodes));
    expect(window.forgotten).not.toBe('');
    expect(mayBeForgotten(window, keyed(0))).toBe(false);
  });
});

it('never takes a request of a node that took effect for new, and never grows past its bound (seeded)', () => {
  const random = new SimRandom('windows');
  for (let round = 0; round < 50; round++) {
    let window = NO_REQUESTS;
    const took = new Set<RequestId>();
    for (let at = 0; at < 120; at++) {
      const id = random.chance(0.6) ? keyed(at) : nodeRequestId(NOW_MS + random.int(50), at);
      window = withRequest(window, { id, version: versionAt(at) });
      took.add(id);
      expect(window.applied.at(-1)).toEqual({ id, version: versionAt(at) });
    }
    expect(window.applied.length).toBeLessThanOrEqual(REQUESTS_MAX);
    const lost = [...took].filter(
      (id) => !id.startsWith('ffff') && !appliedIn(window, id) && !mayBeForgotten(window, id),
    );
    expect(lost, `round ${round}`).toEqual([]);
  }
});
