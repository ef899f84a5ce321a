/** Where and with what it was measured. */
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  /** Null when Redis took no part. */
  readonly redis: string | null;
  readonly date: string;
  /** Of the last minute: what else ran when this began; 0 where the system does not tell. */
  readonly loadAverage: number;
}

export function describeMachine(redis: string | null): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    redis,
    date: new Date().toISOString(),
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function machineLine({
  cpu,
  cores,
  memoryGb,
  system,
  node,
  redis,
  date,
  loadAverage,
}: Machine): string {
  const peer = redis === null ? '' : `, Redis ${redis}`;
  return `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}, Node ${node}${peer}, ${date}, load average before ${loadAverage.toFixed(2)}`;
}
