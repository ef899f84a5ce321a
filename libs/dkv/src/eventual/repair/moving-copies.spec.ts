/** A node that is to have a partition: with whom it compares, and when it says that it lacks nothing. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { microtasks } from '../../../testing/microtasks.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { configurationOf } from '../../cluster/cluster-configuration.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { type ClusterConfiguration, type Move } from '../../model/membership.js';
import { type AntiEntropy } from './anti-entropy.js';
import { MovingCopies } from './moving-copies.js';

const NODES = [...testNodes('a', 'b', 'c', 'd'), testNode('n')];
const RING = testRing(NODES, { partitions: 4, replicas: 2 });
const BORN: ClusterConfiguration = { ...configurationOf(RING, NODES), clusterId: 'one', epoch: 5 };
/** Long enough for one pass at least. */
const PASS_MS = 400;
const STEP_MS = 20;

let view: ClusterView;
let clock: ManualClock;
let copies: MovingCopies;
/** Whether a comparison with the node finds that nothing is lacking; throws where it cannot be asked. */
let answer: (nodeId: string) => boolean;
let compared: string[];

/** Partition 1 moves from a, b, c to n, b, c. */
function moving(
  epoch: number,
  move: Partial<Move> = {},
  leaving: readonly string[] = [],
): ClusterConfiguration {
  return {
    ...BORN,
    epoch,
    members: BORN.members.map((member) =>
      leaving.includes(member.nodeId) ? { ...member, isLeaving: true as const } : member,
    ),
    lists: BORN.lists.with(1, ['a', 'b', 'c']),
    target: BORN.target.with(1, ['n', 'b', 'c']),
    moving: [{ place: 1, since: 6, also: [], ...move }],
  };
}

function begin(configuration: ClusterConfiguration, selfId = 'n', mode = 'eventual'): void {
  view = new ClusterView(selfId, configuration, RING.hashFunc);
  NODES.forEach(({ nodeId }) => view.setState(nodeId, 'up'));
  clock = new ManualClock();
  compared = [];
  answer = () => true;
  const antiEntropy = {
    compare: async (nodeId: string, partition: number, stage: number) => {
      compared.push(`${nodeId} ${partition} ${stage}`);
      return answer(nodeId);
    },
  } as unknown as AntiEntropy;
  const namespaces = [{ mode, placement: 0 }];
  const random = new SimRandom('moving copies');
  const context = { view, clock, random, logger: new CapturedLog(), namespaces } as unknown as CoreContext;
  copies = new MovingCopies(context, antiEntropy);
  copies.start();
}

async function pass(): Promise<void> {
  await elapse(PASS_MS);
}

/** As many passes as there is time for. */
async function elapse(ms: number): Promise<void> {
  for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += STEP_MS) {
    clock.advance(STEP_MS);
    await microtasks();
  }
}

beforeEach(() => begin(moving(6)));

describe('a node that is to have a partition', () => {
  it('has it when it was compared with each node of the list', async () => {
    expect(copies.copied).toEqual([]);
    await pass();
    expect(compared).toEqual(['a 1 6', 'b 1 6', 'c 1 6']);
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
  });

  it('is compared once with each', async () => {
    await pass();
    await pass();
    expect(compared).toHaveLength(3);
  });

  it.each<[string, (nodeId: string) => boolean]>([
    ['lacks something of one', (nodeId) => nodeId !== 'b'],
    [
      'cannot ask one that is up',
      (nodeId) => {
        if (nodeId === 'b') {
          throw new Error('of a test');
        }
        return true;
      },
    ],
  ])('has it not while it %s, and asks that one again', async (_, says) => {
    answer = says;
    await pass();
    expect(copies.copied).toEqual([]);
    answer = () => true;
    await pass();
    expect(compared.slice(3)).toEqual(['b 1 6']);
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
  });

  it('compares anew in the joint stage', async () => {
    await pass();
    view.adopt(moving(8, { joint: 8 }));
    expect(copies.copied).toEqual([]);
    await pass();
    expect(compared.slice(3)).toEqual(['a 1 8', 'b 1 8', 'c 1 8']);
    expect(copies.copied).toEqual([{ place: 1, epoch: 8 }]);
  });

  it('waits for none that is down where it was compared with most of the list', async () => {
    view.setState('a', 'down');
    await pass();
    expect(compared).toEqual(['b 1 6', 'c 1 6']);
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
  });

  it('compares with one that comes back before it has said so', async () => {
    view.setState('a', 'down');
    await pass();
    view.setState('a', 'up');
    expect(copies.copied).toEqual([]);
    await pass();
    expect(compared).toContain('a 1 6');
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
  });

  it('has it not while most of the list is down, for however long', async () => {
    view.setState('a', 'down');
    view.setState('b', 'down');
    for (let count = 0; count < 100; count++) {
      await pass();
    }
    expect(copies.copied).toEqual([]);
  });

  it('does without most of the list where those leave, and are down for ten seconds', async () => {
    view.adopt(moving(7, {}, ['a', 'b']));
    view.setState('a', 'down');
    view.setState('b', 'down');
    await pass();
    await elapse(9_000);
    expect(copies.copied).toEqual([]);
    await elapse(1_000);
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
  });

  it('waits again for one that leaves and was up in between', async () => {
    view.adopt(moving(7, {}, ['a', 'b']));
    view.setState('a', 'down');
    view.setState('b', 'down');
    await pass();
    await elapse(9_000);
    answer = (nodeId) => nodeId === 'c';
    view.setState('b', 'up');
    await pass();
    view.setState('b', 'down');
    await pass();
    await elapse(5_000);
    expect(copies.copied).toEqual([]);
  });

  it('says nothing of it any more when it has moved', async () => {
    await pass();
    view.adopt({ ...moving(9), moving: [], lists: BORN.lists.with(1, ['n', 'b', 'c']) });
    expect(copies.copied).toEqual([]);
  });
});

describe('a node of the list that stays', () => {
  it('compares with the others', async () => {
    begin(moving(6), 'b');
    await pass();
    expect(compared).toEqual(['a 1 6', 'c 1 6']);
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
  });
});

describe('a node that is not to have it', () => {
  it('compares with nobody, and says nothing', async () => {
    begin(moving(6), 'a');
    await pass();
    expect([compared, copies.copied]).toEqual([[], []]);
  });
});

describe('where no namespace of the class is eventual', () => {
  it('nothing is copied, and nothing is lacking', async () => {
    begin(moving(6), 'n', 'strong');
    expect(copies.copied).toEqual([{ place: 1, epoch: 6 }]);
    await pass();
    expect(compared).toEqual([]);
  });
});
