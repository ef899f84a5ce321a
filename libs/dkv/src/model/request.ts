/** Names of requests: what tells a call from every other, however often it is sent. */

/** Names a request for ever: a process run of a node, and a number that rises within it. */
export interface RequestId {
  readonly nodeId: string;
  /** Rises from one process run of the node to the next. */
  readonly session: number;
  readonly number: number;
}

/** A request as it travels: with the lowest number of its session that still waits for an answer. */
export interface Request extends RequestId {
  readonly lowestUnanswered: number;
}
