/** What happens to a Raft group in its random lives, and how often. */

export type RaftEvent =
  | 'propose'
  | 'detect'
  | 'depose'
  | 'crash'
  | 'fail'
  | 'cut'
  | 'quorum'
  | 'transfer'
  | 'reconfigure'
  | 'checkpoint'
  | 'install';

/** How often each happens, in parts; every life has one of them on top. */
const WEIGHTS: Record<RaftEvent, number> = {
  propose: 16,
  detect: 6,
  depose: 4,
  crash: 3,
  fail: 1,
  cut: 2,
  quorum: 2,
  transfer: 2,
  reconfigure: 4,
  checkpoint: 2,
  install: 2,
};
const MOODS: readonly (readonly RaftEvent[])[] = [
  [],
  ['depose', 'propose'],
  ['depose', 'depose', 'crash'],
  ['depose', 'depose', 'depose', 'depose', 'depose'],
  ['reconfigure', 'depose'],
  ['reconfigure', 'reconfigure', 'depose', 'depose', 'depose'],
  ['reconfigure', 'cut', 'quorum'],
  ['checkpoint', 'install', 'depose'],
  ['transfer', 'fail'],
];
const MOOD_WEIGHT = 8;

function eventsOf(mood: readonly RaftEvent[]): readonly RaftEvent[] {
  const events = (Object.keys(WEIGHTS) as RaftEvent[]).flatMap((event) =>
    Array<RaftEvent>(WEIGHTS[event]).fill(event),
  );
  return events.concat(mood.flatMap((event) => Array<RaftEvent>(MOOD_WEIGHT).fill(event)));
}
export const EVENTS = MOODS.map(eventsOf);
