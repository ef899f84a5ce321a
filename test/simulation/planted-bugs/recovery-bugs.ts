/** Protections of groups whose majority has forgotten, each taken away on purpose: found where machines lose power at once. */
import { type GroupReport } from '../../../libs/dkv/src/model/node-messages.js';
import { type LogEntry } from '../../../libs/dkv/src/model/raft-messages.js';
import { RecoveryRounds } from '../../../libs/dkv/src/strong/recovery-rounds.js';
import { StrongGroup } from '../../../libs/dkv/src/strong/strong-group.js';
import { type PlantedBug, replace } from './plant.js';

/** More than any log has. */
const INDEX_MAX = 1_000_000;

export const RECOVERY_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a recovery goes on from the log that goes furthest',
    rules: ['leader-completeness'],
    plant: () =>
      replace<unknown[], GroupReport>(RecoveryRounds, 'reportOf', (_, original, ...asked) => {
        const report = original(...asked);
        return { ...report, lastTerm: 1, lastIndex: INDEX_MAX - report.lastIndex };
      }),
  },
  {
    protection: 'a recovery applies the tail of the log that it takes over',
    rules: ['linearizability', 'count', 'own-writes', 'divergence'],
    plant: () =>
      replace<[number, number, readonly string[]], void>(StrongGroup, 'recover', (self, original, ...how) => {
        const group = self as unknown as { applied: number; apply?: (entry: LogEntry) => void };
        const { apply } = StrongGroup.prototype as unknown as { apply: (entry: LogEntry) => void };
        group.apply = (entry) => {
          if (entry.kind === 'configuration') {
            apply.call(group, entry);
          }
          group.applied = entry.index;
        };
        original(...how);
        delete group.apply;
      }),
  },
  {
    protection: 'a recovery begins a generation of its own',
    rules: ['restamp', 'monotone-version', 'log-matching', 'state-machine-safety', 'divergence', 'crash'],
    plant: () =>
      replace<[number, number, readonly string[]], void>(
        StrongGroup,
        'recover',
        (self, original, generation, ...how) => {
          original(generation, ...how);
          Object.defineProperty(self, 'generation', { value: 1, writable: true });
        },
      ),
  },
];
