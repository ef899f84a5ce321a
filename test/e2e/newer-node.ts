/** Other releases of Node than the one that runs the tests. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';

/** From this release on, the prebuilt binding of the rocksdb package aborts its process. */
const WITHOUT_ROCKSDB = 22;
const RUNNING = process.versions.node.split('.')[0]!;

/** One whose RocksDB binding does not run; undefined where there is none. */
export function newerNode(): Promise<string | undefined> {
  return Number(RUNNING) >= WITHOUT_ROCKSDB
    ? Promise.resolve(process.execPath)
    : nodeRelease('24').catch(() => undefined);
}

/** The binary of a major release: the one that runs this, or one from npm's cache or registry. Rejects where there is none. */
export async function nodeRelease(major: string): Promise<string> {
  if (major === RUNNING) {
    return process.execPath;
  }
  // Away from the workspace, whose own bin folders would come first.
  const args = ['-y', '-p', `node@${major}`, 'node', '-p', 'process.execPath'];
  const { stdout } = await promisify(execFile)('npx', args, {
    cwd: tmpdir(),
    shell: process.platform === 'win32',
  });
  return stdout.trim();
}
