/** The servers that the benchmark compares with and the integrations talk to, as Debian has them. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { exitCodeOf, say } from './workspace.mjs';

/** Each command with its package. */
const SERVERS = { 'redis-server': 'redis-server', etcd: 'etcd-server', 'nats-server': 'nats-server' };
// RUNLEVEL=1: a package must not start a service of its own, on its usual port.
const ENV = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };

/**
 * Installs what is absent, where this is root on Debian; resolves with the commands that are absent all the same.
 * @param more further commands, each with its package
 */
export async function installServers(more = {}) {
  const wanted = { ...SERVERS, ...more };
  const absent = absentOf(wanted);
  if (absent.length > 0 && process.getuid?.() === 0 && isOnPath('apt-get')) {
    const packages = absent.map((command) => wanted[command]);
    say(`Installing ${packages.join(', ')} (apt-get) …`);
    await aptGet('update');
    await aptGet('install', '-y', '--no-install-recommends', ...packages);
  }
  return absentOf(wanted);
}

function absentOf(wanted) {
  return Object.keys(wanted).filter((command) => !isOnPath(command));
}

function aptGet(...args) {
  return exitCodeOf('apt-get', ['-qq', ...args], { env: ENV, stdio: ['ignore', 'ignore', 'inherit'] });
}

export function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
