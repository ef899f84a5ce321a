/** Whom a command talks to: a terminal, a pipe, or a test. */

/** What output is read on, where it is no pipe and no file. */
export interface Screen {
  /** Characters of a line. */
  readonly columns: number;
  readonly hasColour: boolean;
}

export interface Terminal {
  /** What was asked for: text, or the bytes of a value. */
  out(data: string | Uint8Array): void;
  /** What went wrong, and what to do. */
  error(text: string): void;
  /** Undefined where nobody can be asked. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  /** Of `out`; undefined where programs read it: nothing is cut or coloured for them. */
  readonly screen: Screen | undefined;
  /** What is piped into the command. */
  input(): AsyncIterable<Uint8Array>;
  readonly env: Readonly<Record<string, string | undefined>>;
}
