/** Ports for processes that must know each other's before they start, so that none of them can ask for port 0. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the range from which Linux takes the local ports of outgoing connections: a node that is down for a while
 * must find its port free when it comes back.
 */
const [FROM, TO] = [15_000, 32_000];

/** `count` ports in a row that were free a moment ago. */
export async function pickFreePorts(count: number): Promise<number[]> {
  for (;;) {
    const first = randomInt(FROM, TO - count);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) {
      return ports;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)));
  });
}
