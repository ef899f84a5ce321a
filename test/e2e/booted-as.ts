/** Tells a process of which boot its machine is, so that a test can play machines that went down. */
import { fileURLToPath } from 'node:url';

const PLAYED_BOOT = fileURLToPath(new URL('./played-boot.mjs', import.meta.url));

/** Variables for the start of a node. */
export function bootedAs(id: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=${PLAYED_BOOT}`, PLAYED_BOOT_ID: id };
}
