/** Which faults strike a cluster in strong mode, and how often: runs differ in it. */

export type FaultName =
  | 'kill'
  | 'stop'
  | 'losePowerEverywhere'
  | 'forget'
  | 'splitNetwork'
  | 'isolate'
  | 'isolateByReset'
  | 'cutOneWay'
  | 'clog'
  | 'disturb'
  | 'failDisk'
  | 'crampDisk'
  | 'stallDisk'
  | 'slowDisk'
  | 'pause'
  | 'moveClock'
  | 'changeClockRate'
  | 'healNetwork';

/** Healing stands more than once, so that the store is not cut off for good. */
const FAULTS: readonly FaultName[] = [
  'kill',
  'kill',
  'stop',
  'losePowerEverywhere',
  'forget',
  'forget',
  'forget',
  'splitNetwork',
  'isolate',
  'cutOneWay',
  'clog',
  'disturb',
  'failDisk',
  'crampDisk',
  'stallDisk',
  'slowDisk',
  'pause',
  'moveClock',
  'healNetwork',
  'healNetwork',
  'healNetwork',
];
/** Some runs have more of a few: what comes together finds what neither finds alone. */
export const MOODS: readonly (readonly FaultName[])[] = [
  [],
  [],
  ['isolate', 'pause', 'cutOneWay', 'healNetwork'],
  ['stop', 'disturb', 'pause'],
  ['forget', 'kill'],
  ['kill', 'losePowerEverywhere'],
  ['crampDisk', 'failDisk', 'stallDisk'],
];
const MOOD_WEIGHT = 6;
const LEASE_WEIGHT = 3;

/** What matters where leaders have leases: clocks that differ, and leaders that others believe lost while they are not. */
const LEASE_FAULTS: readonly FaultName[] = [
  'changeClockRate',
  'changeClockRate',
  'changeClockRate',
  'isolateByReset',
  'isolateByReset',
  'isolateByReset',
  'pause',
  'healNetwork',
  'healNetwork',
];

export function faultsOf(mood: readonly FaultName[], leaseReads: boolean): readonly FaultName[] {
  return FAULTS.concat(
    leaseReads ? LEASE_FAULTS.flatMap((fault) => Array<FaultName>(LEASE_WEIGHT).fill(fault)) : [],
    mood.flatMap((fault) => Array<FaultName>(MOOD_WEIGHT).fill(fault)),
  );
}
