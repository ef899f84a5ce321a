/** Where the core says what an operator should know. Nest's LoggerService fits. */

export interface Logger {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  debug?(message: string): void;
}

export const Logger = Symbol('DkvLogger');
