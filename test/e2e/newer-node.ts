/** A Node release whose RocksDB binding does not run: the one that runs the tests, or a newer one. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';

/** From this release on, the prebuilt binding of the rocksdb package aborts its process. */
const WITHOUT_ROCKSDB = 22;

/** The binary: the one that runs this, or one from npm's cache or registry; undefined where there is none. */
export async function newerNode(): Promise<string | undefined> {
  if (Number(process.versions.node.split('.')[0]) >= WITHOUT_ROCKSDB) {
    return process.execPath;
  }
  try {
    // Away from the workspace, whose own bin folders would come first.
    const { stdout } = await promisify(execFile)(
      'npx',
      ['-y', '-p', 'node@24', 'node', '-p', 'process.execPath'],
      { cwd: tmpdir(), shell: process.platform === 'win32' },
    );
    return stdout.trim();
  } catch {
    return undefined;
  }
}
