/** A certificate for the length of a run, which signs itself: every node shows it, and asks its peers for it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NotThereError } from '../processes/not-there-error.js';

const ARGS = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench'.split(
  ' ',
);

/** PEM texts, made by the command `openssl` in that folder. */
export async function selfSigned(
  folder: string,
): Promise<{ readonly key: string; readonly cert: string; readonly ca: string }> {
  const [keyFile, certFile] = [join(folder, 'tls.key'), join(folder, 'tls.crt')];
  try {
    await promisify(execFile)('openssl', [...ARGS, '-keyout', keyFile, '-out', certFile]);
  } catch (cause) {
    throw new NotThereError('openssl', cause);
  }
  const [key, cert] = await Promise.all([keyFile, certFile].map((path) => readFile(path, 'utf8')));
  return { key: key!, cert: cert!, ca: cert! };
}
