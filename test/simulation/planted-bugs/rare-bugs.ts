/** Protections of strong namespaces whose lack chance shows seldom, each taken away on purpose. */
import { vi } from 'vitest';
import { Birth } from '../../../libs/dkv/src/cluster/birth.js';
import { type ClusterNote } from '../../../libs/dkv/src/cluster/cluster-note.js';
import { PeerDirectory } from '../../../libs/dkv/src/cluster/peer-directory.js';
import { Peer } from '../../../libs/dkv/src/cluster/peers.js';
import { nodeOf } from '../../../libs/dkv/src/model/raft-messages.js';
import { MachineRun } from '../../../libs/dkv/src/storage/folder/machine-run.js';
import { GroupWrites } from '../../../libs/dkv/src/strong/group-writes.js';
import { PeerChanges } from '../../../libs/dkv/src/strong/peer-changes.js';
import { ProposedChanges } from '../../../libs/dkv/src/strong/proposed-changes.js';
import { RequestTable, type RequestStanding } from '../../../libs/dkv/src/strong/request-table.js';
import { type PlantedBug, replace } from './plant.js';
import { as, DIFFERENT, UNSAFE, WRONG } from './broken-rules.js';

/** What chance finds in one of some hundred seeds at best: looked for when RARE is set. */
export const RARE_STRONG_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a request that nobody waits for does nothing',
    rules: [...DIFFERENT, 'crash'],
    plant: () => {
      replace<unknown[], RequestStanding>(RequestTable, 'standingOf', (_, original, ...request) => {
        const standing = original(...request);
        return standing === 'stale' ? 'new' : standing;
      });
      replace<unknown[], number | 'stale' | undefined>(
        ProposedChanges,
        'standingOf',
        (_, original, ...request) => {
          const standing = original(...request);
          return standing === 'stale' ? undefined : standing;
        },
      );
    },
  },
  {
    protection: 'what is proposed is not removed as expired',
    rules: [...WRONG, 'expiry'],
    plant: () => replace<unknown[], Set<string>>(ProposedChanges, 'names', () => new Set()),
  },
  {
    protection: 'a removal of what expired spares what was written meanwhile',
    rules: [...WRONG, 'expiry'],
    plant: () =>
      replace<unknown[], unknown>(GroupWrites, 'beginExpiry', (self, original) => {
        const look = original();
        as<{ looks: Set<unknown> }>(self).looks.delete(look);
        return { ...(look as object), written: new Set() };
      }),
  },
  {
    protection: 'a crash of the machine under wal makes a new voter',
    rules: [...UNSAFE, ...DIFFERENT],
    plant: () => {
      const open = MachineRun.open.bind(MachineRun);
      vi.spyOn(MachineRun, 'open').mockImplementation(async (...args) =>
        Object.assign(await open(...args), { hasCrashedUnderWal: false }),
      );
    },
  },
  {
    protection: 'the clean mark is gone before the first answer',
    rules: [...UNSAFE, ...DIFFERENT],
    plant: () => replace<[], Promise<void>>(MachineRun, 'begin', (self) => as<MachineRun>(self).end()),
  },
  {
    protection: 'what peers remember of a log counts',
    rules: [...UNSAFE, ...DIFFERENT],
    plant: () =>
      replace<[Peer, Record<string, unknown>], void>(
        PeerDirectory,
        'heartbeat',
        (_, original, peer, heartbeat) => original(peer, { ...heartbeat, rememberedIncarnation: '' }),
      ),
  },
  {
    protection: 'a frame counts once and in order',
    rules: [...UNSAFE, ...DIFFERENT, 'crash', 'liveness'],
    plant: () =>
      replace<[boolean, number], boolean>(Peer, 'takeSequence', (_, original, isBulk, sequence) => {
        original(isBulk, sequence);
        return true;
      }),
  },
  {
    protection: 'frames that never came are told of, and said again',
    rules: ['liveness', 'divergence'],
    plant: () => replace<unknown[], void>(PeerChanges, 'resend', () => undefined),
  },
  {
    protection: 'a cluster is born when all have accepted it',
    rules: ['liveness', ...UNSAFE, ...DIFFERENT],
    plant: () =>
      replace<[string, string], void>(Birth, 'accept', (self, original, nodeId, clusterId) => {
        const { accepted, proposed } = as<{ accepted: Set<string>; proposed?: ClusterNote }>(self);
        proposed?.members.slice(1).forEach((other) => accepted.add(nodeOf(other)));
        original(nodeId, clusterId);
      }),
  },
];
