/** A call of this node's own callers while it is under way, and what it is done with. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type DkvError } from '../dkv.errors.js';
import { type Answer, type Ask } from '../model/node-messages.js';
import { type StrongWrite } from '../model/strong-operations.js';
import { type Clock, type Timer } from '../ports/clock.js';
import { type DoneAnswer } from './call-ends.js';

export interface CallServices {
  readonly view: ClusterView;
  readonly clock: Clock;
  /** How long an answer may take before the question is asked again. */
  readonly peerTimeoutMs: number;
  /** Asks a node, this one included. */
  ask(nodeId: string, slot: number, group: number, ask: Ask): void;
  /** The node that leads the group, as far as this one knows; '' where it knows of none. */
  leaderOf(group: number): string;
  /** A later process run of this node is known to a group: requests must be of a later one still. */
  raiseSession(above: number): void;
  readonly session: () => number;
  /** Of this node's own copy, if it has one, be it void; else 0. */
  generationOf(group: number): number;
  /** Why the group cannot do what needs a majority; undefined where it can, or will once a leader is elected. */
  refusal(group: number, key: string, writes: boolean): DkvError | undefined;
  /** Whether this node holds a copy that may be shown. */
  holdsCopy(group: number): boolean;
}

export interface Call {
  readonly id: number;
  readonly index: number;
  readonly group: number;
  readonly namespace: string;
  readonly key: string;
  readonly timeoutMs: number;
  readonly resolve: (answer: DoneAnswer) => void;
  readonly reject: (error: DkvError) => void;
  /** Undefined of a read. */
  readonly write: StrongWrite | undefined;
  readonly session: number;
  readonly number: number;
  readonly level: 'one' | 'linearizable';
  /** That the group had when it began, as far as this node knows: the request is of that one or a later one. */
  readonly generation: number;
  /** Asks that were sent: after more than one, what is answered without an entry in the log may be of an earlier copy. */
  asks: number;
  /** Asked and not answered yet; '' where a leader is waited for. */
  target: string;
  sentAtMs: number;
  isCancelling: boolean;
  /** Told once the request is fenced out. */
  refusal: { readonly answer: Answer } | undefined;
  timer: Timer | undefined;
  readonly endsAtMs: number;
  unlisten: (() => void) | undefined;
}
