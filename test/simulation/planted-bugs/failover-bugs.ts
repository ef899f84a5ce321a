/** What lets the groups of a lost node be served again in time, each part taken away on purpose. */
import { PeerDirectory } from '../../../libs/dkv/src/cluster/peer-directory.js';
import { NEVER, type Peer } from '../../../libs/dkv/src/cluster/peers.js';
import { RaftGroup } from '../../../libs/dkv/src/raft/raft-group.js';
import { Leadership } from '../../../libs/dkv/src/strong/leadership.js';
import { loseLeader } from './directed.js';
import { type PlantedBug, replace } from './plant.js';

export const FAILOVER_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a closed connection is a suspicion at once',
    rules: ['failover'],
    directed: () => loseLeader('crash', 3),
    plant: () => replace<[string], void>(PeerDirectory, 'disconnected', () => undefined),
  },
  {
    protection: 'what arrives after a close may have been sent before it',
    rules: ['failover'],
    directed: () => loseLeader('crash', 5),
    plant: () =>
      replace<[Peer], void>(PeerDirectory, 'heard', (_, original, peer) => {
        peer.disconnectedAtMs = NEVER;
        original(peer);
      }),
  },
  {
    protection: 'the next of the list stands at once for the groups of a lost node',
    rules: ['failover'],
    directed: () => loseLeader('crash', 3),
    plant: () => replace<unknown[], void>(Leadership, 'campaignIfFirst', () => undefined),
  },
  {
    protection: 'a candidate that cannot win is followed by the next of the list',
    rules: ['failover'],
    directed: () => loseLeader('crash', 5),
    plant: () => replace<unknown[], boolean>(RaftGroup, 'lacksEntries', () => false),
  },
  {
    protection: 'a pre-vote is answered when the leader is lost here, too',
    rules: ['failover'],
    directed: () => loseLeader('crash', 3),
    plant: () =>
      replace<[string, { term: number }], void>(RaftGroup, 'onPreVote', (self, original, from, message) => {
        original(from, message);
        const raft = self as unknown as { unanswered: unknown; term: number; messages: unknown[] };
        if (raft.unanswered !== undefined) {
          raft.unanswered = undefined;
          raft.messages.push({
            to: from,
            message: { type: 'preVoteReply', term: raft.term, granted: false },
          });
        }
      }),
  },
];
