/** What a checker found wrong, in a form that a failed test can print. */
import { type RaftRule } from '../raft-invariants.js';
import { describeOperation, type HistoryOperation } from '../history.js';

export type FindingRule =
  /** No order of the operations explains what they returned. */
  | 'linearizability'
  /** The budget was spent first: neither right nor wrong is known. */
  | 'undecided'
  /** A value was seen that nobody wrote, or whose write was not applied, or was yet to begin. */
  | 'phantom'
  /** A node showed what no majority had accepted. */
  | 'uncommitted'
  /** One write was seen under two versions, or one version with two contents. */
  | 'restamp'
  /** An acknowledged write is gone. */
  | 'lost-write'
  /** A value is back that an acknowledged delete had taken away. */
  | 'resurrection'
  /** A node did not read what it had written itself. */
  | 'own-writes'
  /** A read missed a write that its level promises to see. */
  | 'quorum-read'
  /** A replica went back to a lower version. */
  | 'monotone-version'
  /** Two replicas of a partition differ after they had the time to agree. */
  | 'divergence'
  /** Groups of a lost node were served by nobody for longer than promised. */
  | 'failover'
  /** With every fault gone, the store still does not serve. */
  | 'liveness'
  /** A hash tree is not the one that its records give. */
  | 'tree'
  /** A value was shown after its expiry, or gone before it. */
  | 'expiry'
  /** A count is not the sum of what was counted. */
  | 'count'
  /** A member came back without what it had as durable, under the same name. */
  | 'forgotten'
  /** A leader held a lease while another led. */
  | 'lease'
  /** The time of a group's log went back. */
  | 'log-time'
  /** More is remembered, or kept, than there is need for. */
  | 'bounds'
  | RaftRule;

/** Checkers return a list of these; an empty one means that all is well. */
export interface Finding {
  readonly rule: FindingRule;
  readonly key: string;
  readonly message: string;
  /** What the message speaks of, as far as it is client operations. */
  readonly operations: readonly HistoryOperation[];
}

export function describeFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ rule, key, message, operations }) =>
      [
        `${rule}, key ${JSON.stringify(key)}: ${message}`,
        ...operations.map((operation) => `    ${describeOperation(operation)}`),
      ].join('\n'),
    )
    .join('\n');
}

/** Operations of each key, in the order given: keys are independent, so each is checked on its own. */
export function byKey(operations: readonly HistoryOperation[]): Map<string, HistoryOperation[]> {
  const keys = new Map<string, HistoryOperation[]>();
  for (const operation of operations) {
    const list = keys.get(operation.key);
    if (list === undefined) {
      keys.set(operation.key, [operation]);
    } else {
      list.push(operation);
    }
  }
  return keys;
}
