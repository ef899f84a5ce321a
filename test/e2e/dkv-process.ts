/** `dkv` as a process of its own, as a shell starts it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** As it is built. */
export const DKV_COMMAND = fileURLToPath(
  new URL('../../libs/dkv/dist/src/cli/dkv-command.js', import.meta.url),
);

export interface Ended {
  readonly code: number | null;
  readonly out: Buffer;
  readonly error: string;
}

/** @param env all that it gets beside the path */
export function runDkv(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input?: Uint8Array,
): Promise<Ended> {
  const child = spawn(process.execPath, [DKV_COMMAND, ...args], { env: { PATH: process.env.PATH, ...env } });
  const out: Buffer[] = [];
  let error = '';
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out: Buffer.concat(out), error }));
  });
}
