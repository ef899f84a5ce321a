/** Where and with what it was measured. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  /** Of Node and of each server that is there. */
  readonly versions: Readonly<Record<string, string>>;
  readonly date: string;
  /** Of the last minute: what else ran when this began; 0 where the system does not tell. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    versions: {
      Node: process.version,
      Redis: versionOf('redis-server'),
      etcd: versionOf('etcd'),
      NATS: versionOf('nats-server'),
    },
    date: new Date().toISOString(),
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGb, system, versions, date, loadAverage } = machine;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}`,
    ...programs,
    `${date}, load average before ${loadAverage.toFixed(2)}`,
  ].join(', ');
}

function versionOf(command: string): string {
  try {
    const told = execFileSync(command, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /\d+\.\d+\.\d+/.exec(told)?.[0] ?? told.trim();
  } catch {
    return 'absent';
  }
}
