/** Log lines for people: time, node, message; the level only where something is wrong. */
import { ConsoleLogger, type LogLevel } from '@nestjs/common';

/** Parts of Nest that tell, at every start, what the code says already. */
const TALKATIVE = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);
/** Those that tell of a failed start with its stack; main tells it too, once and for people. */
const START_FAILURES = new Set(['ExceptionHandler', 'NestApplication']);

export class DemoLogger extends ConsoleLogger {
  constructor(private readonly nodeId: string) {
    super({
      colors: process.stdout.isTTY === true && !process.env.NO_COLOR,
      logLevels: ['log', 'warn', 'error', 'fatal'],
    });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (!TALKATIVE.has(String(rest.at(-1)))) {
      super.log(message, ...rest);
    }
  }

  override error(message: unknown, ...rest: unknown[]): void {
    if (!START_FAILURES.has(String(rest.at(-1)))) {
      super.error(message, ...rest);
    }
  }

  protected override formatMessage(level: LogLevel, message: unknown): string {
    const warning = level === 'log' ? '' : `${this.colorize(level.toUpperCase(), level)} `;
    return `${new Date().toISOString()} ${this.nodeId}: ${warning}${this.textOf(message)}\n`;
  }

  private textOf(message: unknown): string {
    return typeof message === 'string' ? message : this.stringifyMessage(message, 'debug');
  }
}
