/** The version of this package. */
import { createRequire } from 'node:module';

/** As its package.json says, which the package finds under its own name wherever it is built to. */
export const { version: DKV_VERSION } = createRequire(import.meta.url)('nestjs-dkv/package.json') as {
  readonly version: string;
};
