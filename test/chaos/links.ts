/** The network between the nodes, in the hands of the faults. Each direction of each pair is a link of its own. */

export type LinkFault =
  /** Nothing gets through: connections break, new ones are refused or time out. */
  | 'cut'
  /** Requests arrive, answers do not. */
  | 'mute'
  /** Everything waits, and arrives when the fault is over. */
  | 'clog'
  /** Everything comes late. */
  | 'delay';

/** Where one node is on these links. */
export interface Place {
  /** Where the harness reaches it. */
  readonly host: string;
  readonly port: number;
  /** The address that its application and its peer port are bound to. */
  readonly bind: string;
  /** All nodes as this one is told of them: `DKV_NODES`. */
  readonly nodes: string;
  readonly wrapper: readonly string[];
}

export interface Links {
  readonly name: 'netns' | 'proxy';
  /** What this kind of link can do; `cut` always. */
  readonly faults: readonly LinkFault[];
  readonly places: readonly Place[];
  /** From node `from` to node `to`, by index. A further fault takes the place of the first. */
  apply(from: number, to: number, fault: LinkFault): Promise<void>;
  heal(from: number, to: number): Promise<void>;
  dispose(): Promise<void>;
  /** As far as it goes without waiting, for a process that is ending: nothing stays on the machine. */
  abandon(): void;
}
