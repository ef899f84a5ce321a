/** The way of a partition as its leader and the nodes that it leaves see it: reported when all are there, given up when told so. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { microtasks } from '../../../testing/microtasks.js';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { type ClusterView } from '../../cluster/cluster-view.js';
import { configurationOf } from '../../cluster/cluster-configuration.js';
import { type EventualCopies, NO_EVENTUAL_COPIES } from '../../ports/eventual-copies.js';
import { DkvError } from '../../dkv.errors.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type ArrivedGroup, type NodeMessage } from '../../model/node-messages.js';
import { type Configuration } from '../../model/raft-messages.js';
import { type LeftBehind } from '../raft-states.js';
import { GroupList } from '../group-list.js';
import { type Leaders } from '../leaders.js';
import { type StrongGroup } from '../strong-group.js';
import { Moves } from './moves.js';

const GROUP = 7;
const SINCE = 5;
/** Of a move that is over: a and b had it, b and c are to have it. */
const THERE: Configuration = { voters: ['b@1', 'c@1'], outgoing: [], learners: [], epoch: SINCE };
const FIRST = configurationOf(
  testRing(testNodes('a', 'b', 'c'), { partitions: 4 }),
  testNodes('a', 'b', 'c'),
);
const LEFT = { index: 40, term: 3, configuration: THERE };

let groups: GroupList;
let group: { number: number; leads: boolean; generation: number; applied: number };
let raft: { configuration: Configuration; configurationIndex: number };
let goal: readonly string[];
let since: number;
/** On the list of the partition, to be there, or had been. */
let nodes: readonly string[];
let planner: string;
let leader: string;
let said: [nodeId: string, message: NodeMessage][];
let arrived: (readonly ArrivedGroup[])[];
/** What giving up comes to, call by call; without any more it never ends. */
let endings: (() => Promise<void>)[];
let copies: EventualCopies;
/** As this node, b, knows the cluster. */
let agreed: ClusterConfiguration;
let copied: unknown[];
let givenUp: [group: number, left: LeftBehind][];
let follows: number;
let log: CapturedLog;
let moves: Moves;

beforeEach(() => {
  groups = new GroupList();
  raft = { configuration: THERE, configurationIndex: 40 };
  group = { number: GROUP, leads: true, generation: 2, applied: 40 };
  groups.add(
    Object.assign(group, {
      raft,
      appliedUpTo: { applied: 40, appliedTerm: 3, configuration: THERE },
    }) as unknown as StrongGroup,
  );
  goal = ['b', 'c'];
  since = SINCE;
  nodes = ['a', 'b', 'c'];
  planner = 'p';
  leader = 'c';
  said = [];
  arrived = [];
  copied = [];
  copies = NO_EVENTUAL_COPIES;
  agreed = { ...FIRST, epoch: 9 };
  endings = [];
  givenUp = [];
  follows = 0;
  log = new CapturedLog();
  moves = new Moves({
    logger: log,
    view: {
      selfId: 'b',
      goalOf: () => goal,
      sinceOf: () => since,
      nodesOf: () => nodes,
      get agreed() {
        return agreed;
      },
    } as unknown as ClusterView,
    leaders: {
      leaderOf: (number: number) => (number === CONFIGURATION_GROUP ? planner : leader),
      leaderElsewhere: () => leader,
    } as unknown as Leaders,
    node: {
      groups,
      say: (nodeId: string, message: NodeMessage) => void said.push([nodeId, message]),
      giveUp: (number: number, left: LeftBehind) => {
        givenUp.push([number, left]);
        return endings.shift()?.() ?? new Promise(() => undefined);
      },
    },
    copies: () => copies,
    copied: (told) => void copied.push(told),
    arrived: (told) => void arrived.push(told),
    gaveUp: () => void follows++,
  });
});

function ticks(count: number): void {
  for (let tick = 0; tick < count; tick++) {
    moves.tick();
  }
}

describe('a node with eventual records', () => {
  const reports = () => said.filter(([, { kind }]) => kind === 'copied');
  const places = [{ place: 2, epoch: 8 }];

  it('tells who plans what it has copied, again and again', () => {
    copies = { copied: places, hasLeftOver: true };
    ticks(6);
    expect(reports()).toEqual(Array(2).fill(['p', { kind: 'copied', places, emptyAt: 0 }]));
  });

  it('is told itself where it plans', () => {
    copies = { copied: places, hasLeftOver: false };
    planner = 'b';
    ticks(3);
    expect([copied, reports()]).toEqual([[{ places, emptyAt: 0 }], []]);
  });

  it('says nothing where there is nothing to say', () => {
    ticks(3);
    planner = '';
    copies = { copied: places, hasLeftOver: false };
    ticks(3);
    expect([copied, reports()]).toEqual([[], []]);
  });

  it('says that nothing is left of what it had when it leaves, is on no list, and has handed all over', () => {
    const others = [['a', 'c']];
    const members = FIRST.members.map((member) => ({
      ...member,
      ...(member.nodeId === 'b' && { isLeaving: true as const }),
    }));
    const left = { ...agreed, members, lists: others, target: others };
    const told = (known: ClusterConfiguration, hasLeftOver = false) => {
      said = [];
      agreed = known;
      copies = { copied: [], hasLeftOver };
      ticks(3);
      return reports().map(([, message]) => message);
    };
    expect(told(left)).toEqual([{ kind: 'copied', places: [], emptyAt: 9 }]);
    expect(told(left, true)).toEqual([]);
    expect(told({ ...left, members: [...FIRST.members, testNode('d')] })).toEqual([]);
    expect(told({ ...left, lists: [['a', 'b']] })).toEqual([]);
    expect(told({ ...left, target: [['a', 'b']] })).toEqual([]);
    expect(told({ ...left, moving: [{ place: 0, since: 9, also: ['b'] }] })).toEqual([]);
  });
});

describe('a leader whose partition moves', () => {
  const reports = () => said.filter(([, { kind }]) => kind === 'arrived');

  it('reports that it is there to who plans, again and again, under the epoch of its log', () => {
    raft.configuration = { ...THERE, epoch: SINCE + 1 };
    ticks(6);
    const groupsThere = [{ group: GROUP, epoch: SINCE + 1 }];
    expect(reports()).toEqual(Array(2).fill(['p', { kind: 'arrived', groups: groupsThere }]));
  });

  it('is told itself where it plans', () => {
    planner = 'b';
    ticks(3);
    expect([arrived, said]).toEqual([[[{ group: GROUP, epoch: SINCE }]], []]);
  });

  it.each<[string, () => unknown]>([
    ['it does not lead', () => (group.leads = false)],
    ['it does not move', () => (since = 0)],
    ['nobody plans', () => (planner = '')],
    ['the configuration is not committed', () => (group.applied = 39)],
    ['it is joint', () => (raft.configuration = { ...THERE, outgoing: ['a@1', 'b@1'] })],
    ['somebody learns', () => (raft.configuration = { ...THERE, learners: ['a@1'] })],
    ['it is of an earlier move', () => (raft.configuration = { ...THERE, epoch: SINCE - 1 })],
    ['it is of no move', () => (raft.configuration = { ...THERE, epoch: undefined })],
    ['a node of the goal does not vote', () => (goal = ['b', 'c', 'd'])],
    ['another votes', () => (raft.configuration = { ...THERE, voters: ['b@1', 'c@1', 'a@1'] })],
    ['others vote', () => (raft.configuration = { ...THERE, voters: ['b@1', 'a@1'] })],
  ])('reports nothing where %s', (_, change) => {
    change();
    ticks(6);
    expect([reports(), arrived]).toEqual([[], []]);
  });
});

describe('a leader that is asked whether a copy may be given up', () => {
  beforeEach(() => {
    nodes = ['b', 'c'];
  });

  const asked = (nodeId = 'a', generation = 2) => {
    moves.asked(nodeId, GROUP, generation);
    return said;
  };

  it('says so, and how far its log is', () => {
    expect(asked()).toEqual([['a', { kind: 'giveUp', group: GROUP, generation: 2, ...LEFT }]]);
  });

  it.each<[string, () => unknown]>([
    ['it does not lead', () => (group.leads = false)],
    ['the node is on the list', () => (nodes = ['a', 'b', 'c'])],
    ['the configuration is not committed', () => (raft.configurationIndex = 41)],
    ['it is joint', () => (raft.configuration = { ...THERE, outgoing: ['b@1'] })],
    ['the node votes', () => (raft.configuration = { ...THERE, voters: ['a@0', 'b@1'] })],
    ['the node learns', () => (raft.configuration = { ...THERE, learners: ['a@1'] })],
  ])('says nothing where %s', (_, change) => {
    change();
    expect(asked()).toEqual([]);
  });

  it('says nothing of a group that it does not have, or of another generation', () => {
    expect(asked('a', 1)).toEqual([]);
    moves.asked('a', GROUP + 1, 2);
    expect(said).toEqual([]);
  });
});

describe('a node that is not on the list', () => {
  beforeEach(() => {
    since = 0;
    group.leads = false;
    nodes = ['a', 'c'];
  });

  const told = (generation = 2) => moves.giveUp({ kind: 'giveUp', group: GROUP, generation, ...LEFT });
  const failing = () => Promise.reject(new DkvError('DKV_READ_ONLY', 'The disk is full.'));

  it('asks the leader whether it may give its copy up, again and again', () => {
    ticks(10);
    expect(said).toEqual(Array(2).fill(['c', { kind: 'mayGiveUp', group: GROUP, generation: 2 }]));
  });

  it('asks nobody where nobody leads, and nobody where it is on the list', () => {
    leader = '';
    ticks(5);
    leader = 'c';
    nodes = ['b', 'c'];
    ticks(5);
    expect(said).toEqual([]);
  });

  it('gives it up when it is told so, and looks then what it has to have', async () => {
    endings = [() => Promise.resolve()];
    told();
    expect(givenUp).toEqual([[GROUP, expect.objectContaining(LEFT)]]);
    await microtasks();
    expect(follows).toBe(1);
    ticks(5);
    expect(givenUp).toHaveLength(1);
  });

  it('keeps what it is to have again, what is of another generation, and what nobody told of', () => {
    told(1);
    ticks(10);
    nodes = ['b', 'c'];
    told();
    expect(givenUp).toEqual([]);
  });

  it('does it once at a time', () => {
    told();
    told();
    ticks(5);
    expect(givenUp).toHaveLength(1);
  });

  it('tries again what failed, says so once, and ends it though it is to have it again', async () => {
    endings = [failing, failing, () => Promise.resolve()];
    told();
    await microtasks();
    nodes = ['b', 'c'];
    ticks(5);
    await microtasks();
    ticks(5);
    await microtasks();
    ticks(10);
    expect(givenUp).toHaveLength(3);
    expect(log.errors).toEqual([
      `Partition ${GROUP} is not given up yet, which is tried again: The disk is full.`,
    ]);
  });
});
