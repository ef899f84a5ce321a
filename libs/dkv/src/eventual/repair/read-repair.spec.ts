/** Read repair: which of several copies stands for all of them, and who is told of it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { type CapturedTelemetry, captureTelemetry } from '../../../testing/captured-telemetry.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { testNodes } from '../../../testing/test-nodes.js';
import { partitionWhere, testRing } from '../../../testing/test-ring.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { VersionClock } from '../../cluster/version-clock.js';
import { JsonCodec } from '../../codec/json-codec.js';
import { DkvError } from '../../dkv.errors.js';
import { nodeRepo } from '../../../testing/local-kv/node-repo.js';
import { LastWriteWinsMerger } from '../../merger/last-write-wins-merger.js';
import { RecordMerger } from '../../merger/record-merger.js';
import { type PeerProtocol } from '../../model/peer-protocol.js';
import { type KvRecord, stampRecord, stampTombstone } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { type Merger } from '../../ports/merger.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { Namespaces } from '../../cluster/namespaces.js';
import { Replica } from '../replica.js';
import { type Copy, newestOf, ReadRepair } from './read-repair.js';

const version = (counter: number) => formatVersion({ physicalMs: 1, counter, nodeId: 'n', boot: 1 });
const record = (counter: number): KvRecord =>
  stampRecord({
    namespace: 'n',
    key: 'k',
    version: version(counter),
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.of(1),
  });
const copies = (...held: (number | undefined)[]): Copy[] =>
  held.map((counter, index) => ({
    nodeId: 'abc'[index]!,
    record: counter === undefined ? undefined : record(counter),
  }));

describe('the newest copy', () => {
  it.each<[string, Copy[], string | undefined]>([
    ['of none', [], undefined],
    ['of nodes that hold nothing', copies(undefined, undefined), 'a'],
    ['is a record rather than nothing', copies(undefined, 1), 'b'],
    ['is a record rather than nothing, that answered later', copies(1, undefined), 'a'],
    ['has the highest version, last', copies(1, 2, 3), 'c'],
    ['has the highest version, first', copies(3, 2, 1), 'a'],
    ['has the highest version by number, not by digit', copies(9, 10), 'b'],
    ['is the first of equals', copies(2, 2, 1), 'a'],
  ])('%s', (_, all, nodeId) => {
    expect(newestOf(all)?.nodeId).toBe(nodeId);
  });

  it('may be a delete', () => {
    const deleted = { nodeId: 'b', record: stampTombstone({ namespace: 'n', key: 'k' }, version(2)) };
    expect(newestOf([...copies(1), deleted])).toBe(deleted);
  });
});

type Ask = PeerProtocol['addOrUpdate']['ask'];

const NODES = testNodes('a', 'b', 'c');
const ring = testRing(NODES);
const PARTITION = partitionWhere(ring, (list) => list.join() === 'a,b,c');
const ID = { partition: PARTITION, namespace: 'n', key: 'k' };
const START_MS = 1_700_000_000_000;
const union: Merger<string[]> = {
  merge: (current, incoming) => [...new Set([...current.value, ...incoming.value])].sort(),
};

/** A set, written at node `nodeId` so many milliseconds after the start. */
function setAt(ms: number, nodeId: string, ...members: string[]): KvRecord {
  const written = formatVersion({ physicalMs: START_MS + ms, counter: 0, nodeId, boot: 1 });
  const value = Buffer.from(JSON.stringify(members));
  return stampRecord({ namespace: 'n', key: 'k', version: written, tombstone: false, expiresAtMs: 0, value });
}

const membersOf = (record: KvRecord | undefined) =>
  record && (JSON.parse(Buffer.from(record.value).toString()) as string[]);

let local: LocalKvRepo;
let telemetry: CapturedTelemetry;
/** What was sent to other nodes, and what they do with it. */
let sent: [string, KvRecord][];
let serve: (nodeId: string, record: KvRecord) => KvRecord;

beforeEach(async () => {
  telemetry = captureTelemetry();
  sent = [];
  serve = (_, received) => received;
  local = nodeRepo({
    storage: 'memory',
    dataDir: '',
    durability: 'wal',
    logger: new CapturedLog(),
  });
  await local.open({ nodeId: 'a', partitions: ring.partitions, hashFunc: 'md5' });
});

/** The read repair of node a. */
async function repairWith(merger: Merger): Promise<ReadRepair> {
  const clock = new ManualClock(START_MS);
  const peers = {
    call: async (nodeId: string, _kind: string, { record: received }: Ask) => {
      sent.push([nodeId, received]);
      const stored = serve(nodeId, received);
      return { version: stored.version, newer: stored.version === received.version ? undefined : stored };
    },
  };
  const context = {
    view: ClusterView.of('a', ring, NODES),
    peers,
    local,
    versions: await VersionClock.open('a', clock, local),
    namespaces: new Namespaces([
      {
        name: 'n',
        mode: 'eventual',
        placement: 0,
        codec: new JsonCodec(),
        merger: new RecordMerger(merger, new JsonCodec()),
      },
    ]),
    clock,
    logger: new CapturedLog(),
    telemetry,
    limits: { peerTimeoutMs: 1_000, maxClockOffsetMs: 500 },
  } as unknown as CoreContext;
  return new ReadRepair(context, new Replica(context));
}

const held = (...records: (KvRecord | undefined)[]): Copy[] =>
  records.map((each, index) => ({ nodeId: 'abc'[index]!, record: each }));

describe('copies that are alike', () => {
  it.each<[string, (KvRecord | undefined)[]]>([
    ['all without the key', [undefined, undefined]],
    ['all of one version', [setAt(1, 'a', 'x'), setAt(1, 'a', 'x')]],
  ])('need no repair: %s', async (_, records) => {
    const repair = await repairWith(new LastWriteWinsMerger());
    const winner = await repair.settle(ID, held(...records));
    expect(winner).toEqual(records[0]);
    await repair.sendWinner(ID, winner, held(...records));
    expect(telemetry.events).toEqual([]);
    expect(sent).toEqual([]);
  });
});

describe('where the newest wins', () => {
  it('the newest is the answer at once, and then goes to who lacks it', async () => {
    const repair = await repairWith(new LastWriteWinsMerger());
    const [old, young] = [setAt(1, 'a', 'x'), setAt(2, 'a', 'y')];
    await local.update(ID, () => old);
    const winner = await repair.settle(ID, held(old, young, undefined));
    expect(winner).toBe(young);
    expect(telemetry.events).toEqual(['readRepair']);
    expect(sent).toEqual([]);
    await repair.sendWinner(ID, winner, held(old, young, undefined));
    expect(sent).toEqual([['c', young]]);
    expect(await local.get(ID)).toEqual({ ...young, value: new Uint8Array(young.value) });
  });

  it('an answer that came late and is newer goes to who lacks it instead', async () => {
    const repair = await repairWith(new LastWriteWinsMerger());
    const [old, young, youngest] = [setAt(1, 'a', 'x'), setAt(2, 'a', 'y'), setAt(3, 'a', 'z')];
    await repair.sendWinner(ID, young, held(youngest, old, young));
    expect(sent).toEqual([
      ['b', youngest],
      ['c', youngest],
    ]);
  });

  it('a node that does not take it keeps no other from it', async () => {
    const repair = await repairWith(new LastWriteWinsMerger());
    serve = (nodeId, received) => {
      if (nodeId === 'b') {
        throw new DkvError('DKV_PEER_UNREACHABLE', 'no');
      }
      return received;
    };
    await expect(
      repair.sendWinner(ID, setAt(2, 'a', 'y'), held(setAt(2, 'a', 'y'), undefined, undefined)),
    ).resolves.toBeUndefined();
    expect(sent.map(([nodeId]) => nodeId)).toEqual(['b', 'c']);
  });
});

describe('where a merger joins', () => {
  it('the join is made where the newest copy is, and is the answer', async () => {
    const repair = await repairWith(union);
    const [old, young] = [setAt(1, 'a', 'x'), setAt(2, 'b', 'y')];
    const joined = setAt(3, 'b', 'x', 'y');
    serve = () => joined;
    expect(await repair.settle(ID, held(old, young))).toBe(joined);
    expect(sent).toEqual([['b', old]]);
  });

  it('the join is stored here when the newest copy is here', async () => {
    const repair = await repairWith(union);
    const [young, old] = [setAt(2, 'a', 'y'), setAt(1, 'b', 'x')];
    await local.update(ID, () => young);
    const winner = await repair.settle(ID, held(young, old));
    expect(membersOf(winner)).toEqual(['x', 'y']);
    expect((await local.get(ID))?.version).toBe(winner?.version);
  });

  it('the answer holds all even when nobody can store the join now', async () => {
    const repair = await repairWith(union);
    serve = () => {
      throw new DkvError('DKV_PEER_DISCONNECTED', 'no');
    };
    const copies = held(setAt(1, 'a', 'x'), setAt(2, 'b', 'y'), setAt(1, 'c', 'z'));
    expect(membersOf(await repair.settle(ID, copies))).toEqual(['x', 'y', 'z']);
  });

  it('a join that nobody stored is not sent: the next one would carry its version with other content', async () => {
    const repair = await repairWith(union);
    const newest = setAt(9, 'b', 'y');
    serve = (nodeId, received) => {
      if (nodeId === 'b') {
        throw new DkvError('DKV_PEER_DISCONNECTED', 'no');
      }
      return received;
    };
    for (const [index, other] of ['x', 'z'].entries()) {
      const copies = [
        { nodeId: 'b', record: newest },
        { nodeId: 'c', record: setAt(index, 'c', other) },
      ];
      await repair.sendWinner(ID, await repair.settle(ID, copies), copies);
    }
    const contents = new Map<string, Set<string>>();
    for (const [, { version: spreadVersion, value }] of sent) {
      contents.set(
        spreadVersion,
        (contents.get(spreadVersion) ?? new Set()).add(Buffer.from(value).toString()),
      );
    }
    expect([...contents.values()].filter(({ size }) => size > 1)).toEqual([]);
    expect(sent.filter(([nodeId]) => nodeId === 'c')).toEqual([
      ['c', newest],
      ['c', newest],
    ]);
  });
});
