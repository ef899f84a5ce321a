/** The init container of one pod, as the chart runs it, but that it asks more often. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const SCRIPT = readFileSync(new URL('../../deploy/helm/files/wait-for-address.mjs', import.meta.url), 'utf8');

export class WaitingPod {
  /** The code that it ends with. */
  readonly ended: Promise<number | null>;
  log = '';
  private readonly child: ChildProcess;

  /** @param env where the API is, as `KubernetesApi` tells it */
  constructor(name: string, address: string, env: Readonly<Record<string, string>>) {
    const own = { POD_NAME: name, POD_IP: address, SERVICE: 'app-peers' };
    this.child = spawn(process.execPath, ['--input-type=module', '--eval', SCRIPT], {
      env: { PATH: process.env.PATH, ...env, ...own, POLL_MS: '5' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
