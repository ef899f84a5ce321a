/** How the configuration is carried on by the leader of the group that keeps it, step by step. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { microtasks } from '../../../testing/microtasks.js';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { configurationFrom, configurationOf, textOf } from '../../cluster/cluster-configuration.js';
import { withChanges } from '../../cluster/configuration-changes.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { partitionAt } from '../../cluster/partition-lists.js';
import { type Namespaces } from '../../cluster/namespaces.js';
import { DkvError } from '../../dkv.errors.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type ClusterNode } from '../../model/node.js';
import { formatStrongVersion } from '../../model/strong-version.js';
import { type StrongWrite } from '../../model/strong-operations.js';
import { NO_VERSION } from '../../model/version.js';
import { GroupList } from '../group-list.js';
import { type StrongGroup } from '../strong-group.js';
import { type Newcomers } from './newcomers.js';
import { Planner, type PlannerLimits } from './planner.js';

const NODES = testNodes('a', 'b', 'c', 'd', 'e');
const FIRST: ClusterConfiguration = {
  ...configurationOf(testRing(NODES, { partitions: 4, replicas: 1 }), NODES),
  epoch: 1,
  clusterId: 'one',
};
const LIMITS: PlannerLimits = { transfersMax: 2, joinsByItself: true, memberRemovalMs: 0 };

let view: ClusterView;
let clock: ManualClock;
let log: CapturedLog;
let group: { leads: boolean };
/** The record of the group, and the index of the entry that wrote it; 0 for none. */
let agreed: ClusterConfiguration | undefined;
let index: number;
let writes: StrongWrite[];
/** How often the record's value was read. */
let parsed: number;
let isBeaten: boolean;
let failure: Error | undefined;
let candidates: ClusterNode[];
let down: Set<string>;
let isEventual: boolean;
let planner: Planner;

beforeEach(() => begin(FIRST));

function begin(known: ClusterConfiguration, limits: Partial<PlannerLimits> = {}): void {
  view = new ClusterView('a', known, testRing(NODES).hashFunc);
  clock = new ManualClock();
  log = new CapturedLog();
  group = { leads: true };
  agreed = known;
  index = 1;
  writes = [];
  parsed = 0;
  isBeaten = false;
  failure = undefined;
  candidates = [];
  down = new Set();
  isEventual = false;
  const groups = new GroupList();
  groups.add(Object.assign(group, { number: CONFIGURATION_GROUP }) as unknown as StrongGroup);
  planner = new Planner({
    view,
    groups,
    clock,
    logger: log,
    limits: { ...LIMITS, ...limits },
    store: {
      read: () =>
        Promise.resolve(
          agreed && {
            generation: 1,
            index,
            expiresAtMs: 0,
            modifiedMs: 0,
            get value() {
              parsed++;
              return Buffer.from(textOf(agreed!));
            },
          },
        ),
    },
    calls: {
      write: (_group, write) => {
        writes.push(write);
        if (failure) {
          return Promise.reject(failure);
        }
        if (!isBeaten) {
          agreed = configurationFrom(Buffer.from((write as { value: Uint8Array }).value).toString());
          index++;
          view.adopt(agreed);
        }
        const outcome = isBeaten ? 'conflict' : 'done';
        return Promise.resolve({ outcome, record: undefined, existed: true, repeated: false } as never);
      },
    },
    newcomers: {
      get candidates() {
        return candidates;
      },
    } as unknown as Newcomers,
    namespaces: { uses: () => isEventual } as unknown as Namespaces,
    classes: () => [0],
    isUp: (nodeId) => !down.has(nodeId),
  });
}

/** One look of the planner: every third tick has one. */
async function look(times = 1): Promise<void> {
  for (let tick = 0; tick < 3 * times; tick++) {
    planner.tick();
    await microtasks();
  }
}

const memberIds = () => agreed!.members.map(({ nodeId }) => nodeId);
const places = () => agreed!.moving.map(({ place }) => place);
const arrive = (place: number, epoch = agreed!.epoch) =>
  planner.arrived([{ group: partitionAt(agreed!, place), epoch }]);

describe('a planner', () => {
  it('writes the first configuration as the cluster was born, where there is none', async () => {
    agreed = undefined;
    await look();
    expect(agreed).toEqual(FIRST);
    expect(writes.map((write) => (write as { expected?: string }).expected)).toEqual([NO_VERSION]);
  });

  it('does nothing where nothing is to be done, and nothing where it does not lead', async () => {
    await look(3);
    candidates = [testNode('n')];
    group.leads = false;
    await look(3);
    expect(writes).toEqual([]);
  });

  it('reads a record once, as long as its version stays', async () => {
    await look(5);
    expect(parsed).toBe(1);
    index++;
    await look(5);
    expect(parsed).toBe(2);
  });

  it('says under which version it read what it changes', async () => {
    index = 7;
    candidates = [testNode('n')];
    await look();
    expect((writes[0] as { expected?: string }).expected).toBe(formatStrongVersion(1, 7));
  });

  it('takes in who asks for it, and not where an operator is to do that', async () => {
    candidates = [testNode('n')];
    await look();
    expect(memberIds()).toContain('n');
    expect(log.lines.join()).toMatch(/Node n joins the cluster: \d+ partitions move\./);
    begin(FIRST, { joinsByItself: false });
    candidates = [testNode('n')];
    await look();
    expect(writes).toEqual([]);
  });

  it('tries again where another was first', async () => {
    isBeaten = true;
    candidates = [testNode('n')];
    await look();
    expect([writes.length, memberIds().includes('n'), log.lines]).toEqual([1, false, []]);
    isBeaten = false;
    await look();
    expect(memberIds()).toContain('n');
  });

  it('tries again where a write failed, and says why', async () => {
    failure = new DkvError('DKV_TIMEOUT', 'Too late.');
    candidates = [testNode('n')];
    await look();
    expect(log.warnings).toEqual(["The cluster's configuration was not changed: Too late."]);
    failure = undefined;
    await look();
    expect(memberIds()).toContain('n');
  });
});

describe('partitions that move', () => {
  beforeEach(() => begin(withChanges(FIRST, [{ kind: 'leave', nodeId: 'b' }])!));

  it('are so many at a time, the keepers first, and the next when one has arrived', async () => {
    await look();
    expect(places()).toHaveLength(2);
    expect(places()[0]).toBe(FIRST.lists.length - 1);
    const [first, second] = places();
    await look();
    expect(places()).toEqual([first, second]);
    arrive(first!);
    await look();
    expect(agreed!.lists[first!]).toBe(agreed!.target[first!]);
    expect(places()[0]).toBe(second);
    expect(places()).not.toContain(first);
  });

  it('have arrived by a configuration of the move alone, not by one of before', async () => {
    await look();
    const [first] = places();
    arrive(first!, agreed!.moving[0]!.since - 1);
    await look();
    expect(places()).toContain(first);
    arrive(first!, agreed!.moving[0]!.since);
    await look();
    expect(places()).not.toContain(first);
  });

  it('count for a leader that was told of it, and not for it when it leads again', async () => {
    await look();
    const [first] = places();
    arrive(first!);
    group.leads = false;
    planner.tick();
    group.leads = true;
    await look(2);
    expect(places()).toContain(first);
  });

  it('lead to a member less, and to the word that all are where they are to be', async () => {
    for (let round = 0; round < 20; round++) {
      await look();
      places().forEach((place) => arrive(place));
    }
    expect(memberIds()).toEqual(['a', 'c', 'd', 'e']);
    expect(agreed!.lists).toEqual(agreed!.target);
    expect(log.lines).toContain('All partitions are where they are to be.');
  });
});

describe('partitions that move with eventual records', () => {
  /** What all nodes of the goals say that they have copied. */
  function copy(except = '', stale = 0): void {
    const { moving, target } = agreed!;
    for (const nodeId of NODES.map((node) => node.nodeId).filter((id) => id !== except)) {
      const places = moving
        .filter(({ place }) => target[place]!.includes(nodeId))
        .map(({ place, since, joint = since }) => ({ place, epoch: joint - stale }));
      planner.copied(nodeId, { places, emptyAt: 0 });
    }
  }

  const move = () => agreed!.moving.find(({ place }) => place < FIRST.lists.length - 1)!;

  beforeEach(async () => {
    begin(withChanges(FIRST, [{ kind: 'leave', nodeId: 'b' }])!);
    isEventual = true;
    await look();
  });

  it('are joint when all nodes of the goal have copied them, and have moved when all have done so again', async () => {
    const { place, since } = move();
    arrive(place);
    await look();
    expect(move()).toEqual({ place, since, also: [] });
    copy();
    await look();
    expect(move()).toEqual({ place, since, also: [], joint: agreed!.epoch });
    await look(2);
    expect(move().place).toBe(place);
    copy();
    await look();
    expect(agreed!.lists[place]).toBe(agreed!.target[place]);
  });

  it.each<[string, () => void]>([
    ['one of them has not', () => copy(agreed!.target[move().place]![1])],
    ['they have in another stage', () => copy('', 1)],
  ])('stay in a stage where %s', async (_, say) => {
    say();
    await look();
    expect(move().joint).toBeUndefined();
    copy();
    await look();
    const { joint } = move();
    say();
    arrive(move().place);
    await look();
    expect(move().joint).toBe(joint);
  });

  it('have not moved before their groups have', async () => {
    copy();
    await look();
    copy();
    await look();
    const { place, joint } = move();
    expect(joint).toBeGreaterThan(0);
    arrive(place);
    await look();
    expect(agreed!.lists[place]).toBe(agreed!.target[place]);
  });

  it('are not waited for where the keepers alone move', async () => {
    const keepers = FIRST.lists.length - 1;
    arrive(keepers);
    await look();
    expect(places()).not.toContain(keepers);
  });

  it('keep a member that leaves until it has handed all over, or is down for long', async () => {
    for (let round = 0; round < 30; round++) {
      places().forEach((place) => arrive(place));
      copy();
      await look();
    }
    expect([agreed!.moving, agreed!.lists]).toEqual([[], agreed!.target]);
    expect(memberIds()).toContain('b');
    planner.copied('b', { places: [], emptyAt: agreed!.epoch - 1 });
    await look();
    expect(memberIds()).toContain('b');
    const before = agreed!;
    planner.copied('b', { places: [], emptyAt: agreed!.epoch });
    await look();
    expect(memberIds()).not.toContain('b');
    begin(before);
    isEventual = true;
    down.add('b');
    await look();
    clock.advance(9_999);
    await look();
    expect(memberIds()).toContain('b');
    clock.advance(1);
    await look();
    expect(memberIds()).not.toContain('b');
  });
});

describe('members that are down', () => {
  const leaving = () => agreed!.members.filter(({ isLeaving }) => isLeaving).map(({ nodeId }) => nodeId);

  beforeEach(() => begin(FIRST, { memberRemovalMs: 10_000 }));

  it('give their copies away when they were down for so long, without a break', async () => {
    down.add('b');
    await look();
    clock.advance(9_999);
    await look();
    down.delete('b');
    await look();
    down.add('b');
    await look();
    clock.advance(9_999);
    await look();
    expect(leaving()).toEqual([]);
    clock.advance(1);
    await look();
    expect(leaving()).toEqual(['b']);
    expect(log.lines.join()).toMatch(/Node b leaves the cluster, having been down for too long/);
  });

  it('stay where it is not most of all that are up', async () => {
    ['c', 'd', 'e'].forEach((nodeId) => down.add(nodeId));
    await look();
    clock.advance(60_000);
    await look(2);
    expect(leaving()).toEqual([]);
    down.delete('e');
    await look();
    expect(leaving()).toEqual(['c', 'd']);
  });

  it('are watched from when a leader began to lead', async () => {
    down.add('b');
    await look();
    clock.advance(9_000);
    group.leads = false;
    planner.tick();
    group.leads = true;
    await look();
    clock.advance(9_000);
    await look();
    expect(leaving()).toEqual([]);
  });

  it('stay for ever where the option is 0', async () => {
    begin(FIRST);
    down.add('b');
    await look();
    clock.advance(10 ** 9);
    await look(2);
    expect(writes).toEqual([]);
  });
});
