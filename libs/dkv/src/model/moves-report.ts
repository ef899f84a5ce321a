/** What of a cluster is on its way to other nodes: plain data, as JSON on the peer port and in the API. */

/** What a member is: one that leaves gives its copies away first. */
export type MembershipState = 'member' | 'leaving';

/** What a member has of the data. */
export interface MemberCopies {
  readonly membership: MembershipState;
  /** Copies of partitions, counted without those of namespaces that ask for a number of copies: held now, and to be held once all has moved. */
  readonly copies: { readonly held: number; readonly target: number };
  /** Whether it is one of the nodes that keep the configuration: a majority of these must be reached to change the members. */
  readonly keepsConfiguration: boolean;
}

/** Bytes of keys and values, about: of all copies that are made anew. */
export interface MoveBytes {
  readonly bytesCopied: number;
  readonly bytesToCopy: number;
}

/** How far all is that was to move since nothing did, as far as the answering node was there. */
export interface MovesProgress {
  /** Lists of nodes that are where they were to be, and those that were to change. */
  readonly partitionsDone: number;
  readonly partitionsTotal: number;
  /** Of keys and values, about: of copies that are made anew. */
  readonly bytesCopied: number;
  readonly bytesTotal: number;
  /** Received by all nodes together in the last seconds; 0 where nothing moves. */
  readonly bytesPerSecond: number;
  /** At that rate; absent where there is none. */
  readonly secondsLeft?: number;
}

/** One list of nodes that changes now. */
export interface MoveReport extends MoveBytes {
  /** Its number; absent for the configuration, whose keepers change. */
  readonly partition?: number;
  /** Node ids, the holder first. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** The epoch from which on it is to be there. */
  readonly sinceEpoch: number;
}

export interface MovesReport {
  /** Of the configuration that the answering node knows; it rises with each change, and with each step of a move. */
  readonly epoch: number;
  /** Whether all is where it is to be. */
  readonly isSettled: boolean;
  /** Of a key: as many as are asked for, and as many as each partition has at least; without namespaces that ask for a number. */
  readonly copies: { readonly asked: number; readonly held: number };
  readonly moving: readonly MoveReport[];
  /** Lists that are to change, and whose turn has not come: a few move at once. */
  readonly waiting: number;
  readonly progress: MovesProgress;
  /** By id. */
  readonly members: readonly ({ readonly nodeId: string } & MemberCopies)[];
}
