/** Who is taken for the leader of a group that this node has no member in. */
import { beforeEach, expect, it } from 'vitest';
import { testNodes } from '../../testing/test-nodes.js';
import { partitionWhere, testRing } from '../../testing/test-ring.js';
import { ClusterView } from '../cluster/cluster-view.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { Peer } from '../cluster/peers.js';
import { GroupList } from './group-list.js';
import { Leaders } from './leaders.js';

const NODES = testNodes('a', 'b', 'c', 'd', 'e', 'f');
const ring = testRing(NODES);
/** On none of the others. */
const BCD = partitionWhere(ring, (list) => [...list].sort().join() === 'b,c,d');

let peers: Map<string, Peer>;
let down: string[];
let leaders: Leaders;

beforeEach(() => {
  peers = new Map(NODES.slice(1).map(({ nodeId }) => [nodeId, new Peer(nodeId)]));
  down = [];
  const directory = {
    get all() {
      return peers.values();
    },
    find: (nodeId: string) => peers.get(nodeId),
    isUp: (nodeId: string) => !down.includes(nodeId),
  } as unknown as PeerDirectory;
  leaders = new Leaders(ClusterView.of('a', ring, NODES), () => directory, new GroupList());
});

function leads(nodeId: string, term: number): void {
  peers.get(nodeId)!.led = new Map([[BCD, term]]);
}

it('nobody, as long as nobody says so', () => {
  expect(leaders.leaderOf(BCD)).toBe('');
});

it('the node of the list that leads it by the latest term', () => {
  leads('b', 3);
  leads('d', 4);
  leads('f', 9);
  expect(leaders.leaderOf(BCD)).toBe('d');
  down.push('d');
  expect(leaders.leaderOf(BCD)).toBe('b');
});

it('where none of these does, whoever else says so: the partition has just moved', () => {
  leads('e', 5);
  leads('f', 6);
  expect(leaders.leaderOf(BCD)).toBe('f');
  down.push('f');
  expect(leaders.leaderOf(BCD)).toBe('e');
  down.push('e');
  expect(leaders.leaderOf(BCD)).toBe('');
});
