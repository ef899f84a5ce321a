/** Whom a command talks to: a terminal, a pipe, or a test. */

export interface Terminal {
  out(text: string): void;
  error(text: string): void;
  /** Undefined where nobody can be asked. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}
