/** A logger that keeps what it is told, for tests of what an operator gets to read. */
import { type Logger } from '../src/ports/logger.js';

export class CapturedLog implements Logger {
  readonly warnings: string[] = [];
  readonly errors: string[] = [];
  readonly lines: string[] = [];

  log(message: string): void {
    this.lines.push(message);
  }

  warn(message: string): void {
    this.warnings.push(message);
  }

  error(message: string): void {
    this.errors.push(message);
  }

  debug(message: string): void {
    this.lines.push(message);
  }
}
