/** Which faults strike a cluster in strong mode, and how often: runs differ in it. */

export type FaultName =
  | 'kill'
  | 'stop'
  | 'losePowerEverywhere'
  | 'forget'
  | 'splitNetwork'
  | 'isolate'
  | 'cutOneWay'
  | 'clog'
  | 'disturb'
  | 'failDisk'
  | 'crampDisk'
  | 'stallDisk'
  | 'slowDisk'
  | 'pause'
  | 'moveClock'
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

export function faultsOf(mood: readonly FaultName[]): readonly FaultName[] {
  return FAULTS.concat(mood.flatMap((fault) => Array<FaultName>(MOOD_WEIGHT).fill(fault)));
}
