/** Which version of the library this is. */
import { createRequire } from 'node:module';

/** Of its package; `unknown` where a bundler left that out. */
export const DKV_VERSION = versionOfPackage();

function versionOfPackage(): string {
  try {
    return (createRequire(import.meta.url)('nestjs-dkv/package.json') as { version: string }).version;
  } catch {
    return 'unknown';
  }
}
