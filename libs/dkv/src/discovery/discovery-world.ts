/** What an adapter of discovery uses of the world around it; a test gives another world. */
import { Logger as NestLogger } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { oneLineLogger } from '../ports/one-line-logger.js';
import { type Random } from '../ports/random.js';
import { SystemClock, SystemRandom } from '../system/system-clock.js';
import { type DnsResolver, nodeResolver } from './dns-resolver.js';
import { type DiscoveryHttp, NodeHttp } from './discovery-http.js';

export interface DiscoveryWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly http: DiscoveryHttp;
  /** The text of a small file. */
  readonly readFile: (path: string) => Promise<string>;
  /** Of its own for each answer. @param servers `address` or `address:port`; none: those of the machine */
  readonly resolver: (servers: readonly string[]) => DnsResolver;
}

/** The real one, but for what is given. */
export function discoveryWorld(given: Partial<DiscoveryWorld>): DiscoveryWorld {
  const { clock = new SystemClock(), logger = new NestLogger('DkvDiscovery') } = given;
  return {
    random: new SystemRandom(),
    http: new NodeHttp(clock),
    readFile: (path) => readFile(path, 'utf8'),
    resolver: nodeResolver,
    ...given,
    clock,
    logger: oneLineLogger(logger),
  };
}

/** Resolves after so long, or as soon as the signal is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const wake = () => {
      timer.cancel();
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = clock.schedule(ms, wake);
    signal.addEventListener('abort', wake);
  });
}

/** At most a fifth more or less, so that the nodes of a cluster do not ask all at once. */
export function jittered(ms: number, random: Random): number {
  return ms * (0.8 + 0.4 * random.next());
}
