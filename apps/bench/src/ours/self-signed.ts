/** A certificate for the length of a run, which signs itself: every node shows it, and asks its peers for it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NotThereError } from '../processes/not-there-error.js';
import { type NodeSettings } from './node-application.js';

const ARGS = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench'.split(
  ' ',
);

/** Made by the command `openssl` in that folder. @throws NotThereError where there is no such command */
export async function selfSigned(folder: string): Promise<NonNullable<NodeSettings['tls']>> {
  const [keyFile, certFile] = [join(folder, 'tls.key'), join(folder, 'tls.crt')];
  try {
    await promisify(execFile)('openssl', [...ARGS, '-keyout', keyFile, '-out', certFile]);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? new NotThereError('openssl', error) : error;
  }
  const cert = await readFile(certFile, 'utf8');
  return { key: await readFile(keyFile, 'utf8'), cert, ca: cert };
}
