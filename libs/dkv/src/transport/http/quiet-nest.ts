/** Keeps the start-up lines of an inner Nest application out of the host application's log. */
import { ConsoleLogger, Logger as NestLogger, type LoggerService } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Logger } from '../../ports/logger.js';

interface Scope {
  /** False once the start is over: servers opened inside go on in this async context for ever. */
  quiet: boolean;
  readonly logger: Logger;
}

const scopes = new AsyncLocalStorage<Scope>();
let running = 0;
let filter: { readonly host: LoggerService | undefined; readonly installed: LoggerService } | undefined;

/**
 * Runs `start` with Nest's own messages kept down, but for warnings, which go to `logger`. Nest has one logger
 * for the whole process, so `NestFactory.create(…, { logger })` would take the host's from it; here a filter
 * stands before the host's logger meanwhile, which tells by the async context who is speaking.
 */
export async function withQuietNest<T>(logger: Logger, start: () => Promise<T>): Promise<T> {
  const scope: Scope = { quiet: true, logger };
  install();
  try {
    return await scopes.run(scope, start);
  } finally {
    scope.quiet = false;
    uninstall();
  }
}

function install(): void {
  running += 1;
  if (running === 1) {
    const host = NestLogger['staticInstanceRef'];
    filter = { host, installed: filtered(host) };
    NestLogger.overrideLogger(filter.installed);
  }
}

function uninstall(): void {
  running -= 1;
  if (running === 0) {
    // While a storage is in use, Node runs hooks for every promise of the process: half of all time under load.
    scopes.disable();
  }
  // The host may have changed its logger meanwhile; that one stays.
  if (running === 0 && filter && NestLogger['staticInstanceRef'] === filter.installed) {
    NestLogger.overrideLogger(filter.host ?? false);
  }
}

function filtered(host: LoggerService | undefined): LoggerService {
  // A plain Nest Logger asks who is installed, which is now the filter: it would go in circles.
  const target = host instanceof NestLogger ? new ConsoleLogger() : host;
  const forward =
    (level: 'log' | 'error' | 'warn' | 'debug' | 'verbose' | 'fatal') =>
    (message: unknown, ...rest: unknown[]): void => {
      const scope = scopes.getStore();
      if (!scope?.quiet) {
        target?.[level]?.(message, ...rest);
      } else if (level === 'warn') {
        scope.logger.warn(String(message));
      }
    };
  return {
    log: forward('log'),
    error: forward('error'),
    warn: forward('warn'),
    debug: forward('debug'),
    verbose: forward('verbose'),
    fatal: forward('fatal'),
    setLogLevels(levels) {
      target?.setLogLevels?.(levels);
    },
  };
}
