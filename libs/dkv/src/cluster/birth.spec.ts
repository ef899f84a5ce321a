/** Rule 0: of new folders at most one cluster is made, by whoever hears whom, and one is made where nothing stands in its way. */
import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { CapturedLog } from '../../testing/captured-log.js';
import { testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type NodeMessage } from '../model/node-messages.js';
import { nodeOf } from '../model/raft-messages.js';
import { Birth } from './birth.js';
import { type ClusterNote, NO_CLUSTER } from './cluster-note.js';
import { configurationOf, textOf } from './cluster-configuration.js';
import { type PeerDirectory } from './peer-directory.js';
import { type Peer } from './peers.js';

const NODES = testNodes('a', 'b');
/** Who is in it does not matter here. */
const FIRST = { ...configurationOf(testRing(NODES), NODES), epoch: 1 };

/** One folder and the processes that run on it, one after the other. */
class Node {
  note: ClusterNote = NO_CLUSTER;
  birth!: Birth;
  isUp = true;
  /** As if the configuration of a cluster had been heard. */
  adopted = '';
  heardTicks = 0;
  readonly log = new CapturedLog();
  private boot = 0;

  constructor(
    private readonly world: World,
    readonly nodeId: string,
    readonly incarnation = '1',
  ) {
    this.start();
  }

  get member(): string {
    return `${this.nodeId}@${this.incarnation}`;
  }

  get clusterId(): string {
    return this.birth.clusterId;
  }

  start(): void {
    const { world, nodeId } = this;
    const run = ++this.boot;
    this.isUp = true;
    this.birth = new Birth(
      {
        self: this.member,
        selfId: nodeId,
        shownIds: () => world.shownTo(nodeId),
        clusterSize: world.clusterSize,
        get hasFixedNodes() {
          return world.hasFixedNodes;
        },
        plan: (clusterId, members) => ({
          members,
          configuration: textOf({ ...FIRST, clusterId }),
          lists: [members.map((_, place) => place)],
        }),
        agreedCluster: () => this.adopted,
        classes: () => [3],
        directory: () => world.directoryOf(nodeId),
        logger: this.log,
        newClusterId: () => `cluster ${world.clusters++}`,
        post: (to, message) => run === this.boot && world.post(this, to, message),
        note: async (cluster) => {
          await world.disk(this);
          if (run === this.boot) {
            this.note = cluster;
          }
        },
        born: (cluster) => run === this.boot && world.bornAs(this, cluster),
      },
      this.note,
    );
  }

  stop(): void {
    this.boot++;
    this.isUp = false;
  }
}

class World {
  readonly nodes = new Map<string, Node>();
  /** Pairs that do not hear each other, as `a b`. */
  readonly cuts = new Set<string>();
  readonly hidden = new Set<string>();
  readonly founded = new Map<string, ClusterNote>();
  clusters = 0;
  private queue: (() => void)[] = [];
  private writes: { readonly nodeId: string; readonly resolve: () => void }[] = [];
  hasFixedNodes = true;
  /** The node whose disk does not answer. */
  slow = '';
  /** Ticks from hearing that a node belongs to a cluster until its configuration is there. */
  adoptsAfter = 0;

  constructor(
    readonly clusterSize: number | undefined,
    nodeIds: readonly string[],
    private readonly random = new SimRandom(1),
    private readonly lossRate = 0,
  ) {
    nodeIds.forEach((nodeId) => this.nodes.set(nodeId, new Node(this, nodeId)));
  }

  node(nodeId: string): Node {
    return this.nodes.get(nodeId)!;
  }

  shownTo(nodeId: string): readonly string[] {
    return [...this.nodes.keys()].filter((other) => !this.hidden.has(`${nodeId} ${other}`));
  }

  hears(one: string, other: string): boolean {
    return this.node(one).isUp && this.node(other).isUp && !this.cuts.has([one, other].sort().join(' '));
  }

  directoryOf(selfId: string): PeerDirectory {
    const isKnown = (nodeId: string) => nodeId !== selfId && this.shownTo(selfId).includes(nodeId);
    const peerOf = ({ nodeId, member, clusterId }: Node) => ({
      nodeId,
      member,
      clusterId: this.hears(selfId, nodeId) ? clusterId : '',
      hasIntroducedItself: true,
    });
    const known = () => [...this.nodes.values()].filter(({ nodeId }) => isKnown(nodeId));
    return {
      get all() {
        return known().map(peerOf).values();
      },
      find: (nodeId: string) => (isKnown(nodeId) ? peerOf(this.node(nodeId)) : undefined),
      isUp: (nodeId: string) => nodeId === selfId || (isKnown(nodeId) && this.hears(selfId, nodeId)),
      isAlive: (member: string) =>
        isKnown(nodeOf(member)) &&
        this.node(nodeOf(member)).member === member &&
        this.hears(selfId, nodeOf(member)),
    } as unknown as PeerDirectory;
  }

  post(from: Node, to: string, message: NodeMessage): void {
    const { member } = this.node(to);
    this.queue.push(() => {
      if (this.node(to).member === member && this.hears(from.nodeId, to) && from === this.node(from.nodeId)) {
        this.deliver(this.node(to), { nodeId: from.nodeId, member: from.member } as Peer, message);
      }
    });
  }

  disk({ nodeId }: Node): Promise<void> {
    return new Promise((resolve) => this.writes.push({ nodeId, resolve }));
  }

  bornAs(node: Node, cluster: ClusterNote): void {
    node.adopted ||= cluster.clusterId;
    if (cluster.members.includes(node.member)) {
      this.founded.set(cluster.clusterId, cluster);
    }
  }

  /** A heartbeat interval: what is on its way arrives, in the order in which it was sent or not at all; disks end what they write. */
  async tick(times = 1, passes = 4): Promise<void> {
    for (let time = 0; time < times; time++) {
      for (const node of this.nodes.values()) {
        this.adopt(node);
        if (node.isUp) {
          node.birth.tick();
        }
      }
      // Messages that answer those of this tick are answered in it.
      for (let pass = 0; pass < passes; pass++) {
        const { slow, writes } = this;
        this.writes = writes.filter(({ nodeId }) => nodeId === slow);
        writes.filter(({ nodeId }) => nodeId !== slow).forEach(({ resolve }) => resolve());
        await Promise.resolve().then(() => undefined);
        await Promise.resolve();
        this.queue.splice(0).forEach((arrive) => !this.random.chance(this.lossRate) && arrive());
      }
    }
  }

  /** Heartbeats tell of the configuration that a node goes by. */
  private adopt(node: Node): void {
    for (const other of this.nodes.values()) {
      const isHeard =
        this.shownTo(node.nodeId).includes(other.nodeId) && this.hears(node.nodeId, other.nodeId);
      if (node.isUp && isHeard && other.clusterId !== '' && !node.birth.isBorn) {
        node.adopted ||= node.heardTicks++ < this.adoptsAfter ? '' : other.clusterId;
      }
    }
  }

  private deliver({ birth }: Node, from: Peer, message: NodeMessage): void {
    switch (message.kind) {
      case 'birth':
        return birth.receiveBirth(from, message);
      case 'birthAccepted':
        return birth.receiveAccepted(from, message.clusterId);
      case 'birthContested':
        return birth.receiveContested(from, message.clusterId);
      case 'birthWithdrawn':
        return birth.receiveWithdrawn(from, message.clusterId);
      case 'born':
        return birth.receiveBorn(message.clusterId);
    }
  }
}

function toggle(set: Set<string>, one: string): void {
  if (!set.delete(one)) {
    set.add(one);
  }
}

const clustersOf = ({ nodes }: World) => [...nodes.values()].map(({ clusterId }) => clusterId);
const membersOf = ({ founded }: World) =>
  [...founded.values()].map(({ members }) => members.map(nodeOf).join(''));

describe('nodes with empty folders', () => {
  it('make one cluster once all hear each other, where no size is given', async () => {
    const world = new World(undefined, ['c', 'a', 'b']);
    world.node('b').stop();
    await world.tick(100);
    expect(clustersOf(world)).toEqual(['', '', '']);
    expect(world.node('a').birth.reason).toBe('2 of 3 nodes are seen (clusterSize), not seen so far: b');
    world.node('b').start();
    await world.tick(3);
    expect(membersOf(world)).toEqual(['abc']);
    expect(new Set(clustersOf(world)).size).toBe(1);
  });

  it('make none of fewer than its size, and say how many are seen; a node that sees itself alone makes none', async () => {
    const world = new World(3, ['a']);
    await world.tick(1_000);
    expect(world.node('a').birth.reason).toBe(
      '1 of 3 nodes are seen (clusterSize), discovery shows no others',
    );
    expect(world.node('a').log.lines.join()).toMatch(/not born yet: 1 of 3 nodes are seen/);
    expect(world.founded.size).toBe(0);
  });

  it('make one of a size of 1, of the lowest alone where more hear each other, which the others join', async () => {
    const world = new World(1, ['b', 'c', 'a']);
    await world.tick(5);
    expect(membersOf(world)).toEqual(['a']);
    expect(new Set(clustersOf(world))).toEqual(new Set([world.node('a').clusterId]));
  });

  it('make one of a size of 1, though they started at once and are shown to each other a moment later', async () => {
    const world = new World(1, ['b', 'a']);
    world.hasFixedNodes = false;
    world.hidden.add('a b').add('b a');
    await world.tick(20);
    world.hidden.clear();
    await world.tick(100);
    expect(membersOf(world)).toEqual(['a']);
    expect(new Set(clustersOf(world)).size).toBe(1);
  });

  it('wait some seconds for others where one is enough and discovery may show more, but not for ever', async () => {
    const world = new World(1, ['a']);
    world.hasFixedNodes = false;
    await world.tick(29);
    expect(world.founded.size).toBe(0);
    await world.tick(5);
    expect(membersOf(world)).toEqual(['a']);
  });

  it('make one of the lowest of those that hear each other, at once where all that are shown do', async () => {
    const world = new World(3, ['e', 'd', 'c', 'b', 'a']);
    await world.tick(3);
    expect(membersOf(world)).toEqual(['abc']);
    await world.tick();
    expect(new Set(clustersOf(world)).size).toBe(1);
  });

  it('wait some seconds for those that are shown and silent, but not for ever', async () => {
    const world = new World(3, ['e', 'd', 'c', 'b', 'a']);
    world.node('a').stop();
    await world.tick(29);
    expect(world.founded.size).toBe(0);
    await world.tick(10);
    expect(membersOf(world)).toEqual(['bcd']);
    world.node('a').start();
    await world.tick(3);
    expect(world.node('a').clusterId).toBe(world.node('b').clusterId);
  });

  it('make none where one that they hear belongs to a cluster', async () => {
    const world = new World(3, ['a', 'b', 'c', 'd']);
    world.hidden.add('a d').add('b d');
    world.adoptsAfter = 40;
    world.node('d').note = { ...NO_CLUSTER, clusterId: 'there', isBorn: true };
    world.node('d').start();
    await world.tick(200);
    expect(membersOf(world)).toEqual([]);
    expect(new Set(clustersOf(world))).toEqual(new Set(['there']));
  });
});

describe('two nodes that want the same ones', () => {
  /** `a` and `b` do not hear each other, and both hear `c` and `d`. */
  function contested() {
    const world = new World(3, ['a', 'b', 'c', 'd']);
    world.cuts.add('a b');
    return world;
  }

  it('do not both get them: the higher gives up', async () => {
    const world = contested();
    await world.tick(200);
    expect(membersOf(world)).toEqual(['acd']);
    expect(new Set(clustersOf(world)).size).toBe(1);
  });

  it('do not go on with what was given up, when the rest accepts it after all', async () => {
    const world = new World(3, ['a', 'b', 'c', 'd', 'e']);
    ['a b', 'a d', 'b e', 'd e'].forEach((pair) => world.cuts.add(pair));
    world.adoptsAfter = 100;
    world.node('a').stop();
    world.slow = 'd';
    await world.tick(35);
    expect(world.node('c').note.members.map(nodeOf).join('')).toBe('bcd');
    world.node('a').start();
    await world.tick(40);
    world.slow = '';
    await world.tick(40);
    expect(membersOf(world)).toEqual(['ace']);
    world.cuts.clear();
    await world.tick(200);
    expect(new Set(clustersOf(world)).size).toBe(1);
  });

  it('leave a node bound whose founder died, which says so, till that is back', async () => {
    const world = new World(2, ['a', 'b', 'c']);
    world.hidden.add('a c').add('c a');
    // The founder dies when all have accepted, before it has noted that.
    await world.tick(1, 2);
    world.node('a').stop();
    await world.tick(200);
    expect(world.founded.size).toBe(0);
    expect(world.node('b').birth.reason).toMatch(
      /^node a has proposed a cluster which this node has accepted/,
    );
    world.node('a').start();
    await world.tick(50);
    expect(membersOf(world)).toEqual(['ab']);
    expect(new Set(clustersOf(world)).size).toBe(1);
  });

  it('do not take a node whose founder may have told others of its cluster, and forgot it', async () => {
    const world = new World(2, ['a', 'b', 'c']);
    ['a b', 'b a', 'a c', 'c a'].forEach((way) => world.hidden.add(way));
    world.node('a').stop();
    await world.tick(1, 2);
    world.node('b').stop();
    world.nodes.set('b', new Node(world, 'b', '2'));
    world.hidden.clear();
    world.hidden.add('b c');
    world.cuts.add('a b');
    world.node('a').start();
    await world.tick(200);
    expect(world.founded.size).toBe(0);
    expect(world.node('c').note.members).toEqual(['b@1', 'c@1']);
    expect(world.node('c').birth.reason).toMatch(
      /^node b has proposed a cluster which this node has accepted/,
    );
  });
});

describe('whatever is lost, cut, stopped and emptied', () => {
  it.each(Array.from({ length: 100 }, (_, seed) => seed))(
    'never two clusters; one in the end: seed %i',
    async (seed) => {
      const random = new SimRandom(seed);
      const nodeIds = ['a', 'b', 'c', 'd', 'e'];
      const world = new World(3, nodeIds, random, 0.2);
      const pick = () => nodeIds[random.int(nodeIds.length)]!;
      nodeIds.forEach((one) =>
        nodeIds
          .filter((other) => one < other && random.chance(0.4))
          .forEach((other) => world.cuts.add(`${one} ${other}`)),
      );
      for (let round = 0; round < 60; round++) {
        await world.tick(1 + random.int(random.chance(0.3) ? 40 : 3));
        // It may end in the middle of what it was about to write or to say.
        await world.tick(1, random.int(4));
        const node = world.node(pick());
        const [one, other] = [pick(), pick()].sort();
        const pair = `${one} ${other}`;
        if (one !== other && random.chance(0.3)) {
          toggle(world.cuts, pair);
        }
        if (random.chance(0.2)) {
          if (node.isUp) {
            node.stop();
          } else {
            node.start();
          }
        }
        // A disk is lost before there is a cluster, and never the last of one.
        if (random.chance(0.05) && world.founded.size === 0) {
          node.stop();
          world.nodes.set(node.nodeId, new Node(world, node.nodeId, `${Number(node.incarnation) + 1}`));
        }
        if (random.chance(0.1)) {
          const way = `${pick()} ${pick()}`;
          toggle(world.hidden, way);
        }
      }
      world.cuts.clear();
      world.hidden.clear();
      for (const node of world.nodes.values()) {
        if (!node.isUp) {
          node.start();
        }
      }
      await world.tick(400);
      expect(membersOf(world).length).toBe(1);
      expect(new Set(clustersOf(world)).size).toBe(1);
    },
  );
});
