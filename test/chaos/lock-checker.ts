/** Whether locks kept their word: fencing tokens rise with time, and nobody held what another one held. */
import { type ChaosFinding } from './workload.js';

/** A lock that was given; times are positions in the order of events. */
export interface LockHold {
  readonly key: string;
  readonly client: string;
  readonly fencing: number | string;
  readonly invoked: number;
  readonly returned: number;
  /** When the last renewal or release was asked that succeeded: until then it was surely held. */
  heldUntil: number;
}

export function checkLocks(holds: readonly LockHold[]): readonly ChaosFinding[] {
  const byKey = new Map<string, LockHold[]>();
  for (const hold of holds) {
    byKey.set(hold.key, [...(byKey.get(hold.key) ?? []), hold]);
  }
  return [...byKey.values()].flatMap((all) =>
    all.flatMap((one, index) => all.slice(index + 1).flatMap((other) => checkPair(one, other))),
  );
}

function checkPair(one: LockHold, other: LockHold): ChaosFinding[] {
  const [first, second] = one.returned < other.returned ? [one, other] : [other, one];
  const findings: ChaosFinding[] = [];
  const note = (rule: string, what: string) =>
    findings.push({
      rule,
      key: one.key,
      message: `${what}: ${describe(first)}; ${describe(second)}`,
      operations: [],
    });
  if (one.fencing === other.fencing) {
    note('fencing', 'two holds have one fencing token');
  } else if (first.returned < second.invoked && !isBelow(first.fencing, second.fencing)) {
    note('fencing', 'a later hold has a lower fencing token');
  }
  if (first.heldUntil > second.returned && second.heldUntil > first.returned) {
    note('mutual-exclusion', 'two clients held one lock');
  }
  return findings;
}

function isBelow(one: number | string, other: number | string): boolean {
  return typeof one === 'number' && typeof other === 'number' ? one < other : String(one) < String(other);
}

function describe({ client, fencing, invoked, returned, heldUntil }: LockHold): string {
  return `${client} asked at ${invoked}, had it from ${returned} until ${heldUntil}, fencing ${fencing}`;
}
