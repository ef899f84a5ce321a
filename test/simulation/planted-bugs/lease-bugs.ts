/** Protections of reads by leases, each taken away on purpose. */
import { RaftGroup } from '../../../libs/dkv/src/raft/raft-group.js';
import { LeaseGrants } from '../../../libs/dkv/src/strong/lease-grants.js';
import { ReadLeases } from '../../../libs/dkv/src/strong/read-leases.js';
import { type GroupCore } from '../../../libs/dkv/src/strong/group-parts.js';
import { readAfterSlowRound, restartVoters } from './lease-runs.js';
import { type PlantedBug, replace, replaceGetter } from './plant.js';

const RULES = ['lease', 'linearizability'];

export const LEASE_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a voter that granted a lease helps nobody else into office',
    rules: RULES,
    plant: () => replace<unknown[], boolean>(LeaseGrants, 'isHeldBack', () => false),
  },
  {
    protection: 'a lease counts from when the leader asked',
    rules: RULES,
    directed: readAfterSlowRound,
    plant: () =>
      replace<[GroupCore, number], void>(ReadLeases, 'confirmed', (self, original, group) =>
        original(group, self.nowMs!() as number),
      ),
  },
  {
    protection: 'a leader that asked another to take over has no lease',
    rules: RULES,
    plant: () =>
      replaceGetter<boolean>(RaftGroup, 'mayHoldLease', ({ leadership }) => leadership !== undefined),
  },
  {
    protection: 'a voter that has just started waits for what it granted before',
    rules: RULES,
    directed: restartVoters,
    plant: () => replaceGetter<boolean>(LeaseGrants, 'isStarting', () => false),
  },
];
