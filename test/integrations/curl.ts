/** Lines of the guides that ask with curl, typed as they stand there but for the ports. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface CurlAnswer {
  readonly status: number;
  readonly text: string;
}

/** @throws Error with what curl says when there is no answer. */
export async function curl(line: string, portOf: (documented: number) => number): Promise<CurlAnswer> {
  const typed = line.replaceAll(/\blocalhost:(\d+)/g, (_, port) => `localhost:${portOf(Number(port))}`);
  const { stdout } = await sh(typed.replace(/^curl /, "curl -sS --max-time 30 -w '\\n%{http_code}' "));
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end) };
}

/** By no proxy: what is asked is on this machine. */
function sh(command: string): Promise<{ stdout: string }> {
  return promisify(execFile)('sh', ['-ec', command], {
    env: { ...process.env, no_proxy: '*', NO_PROXY: '*' },
  });
}
