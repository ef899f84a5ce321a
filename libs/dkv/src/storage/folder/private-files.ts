/** Who may look into a data folder: the user of the process alone, since values in it are not encrypted. */
import { chmod, mkdir } from 'node:fs/promises';

export const PRIVATE_FOLDER = 0o700;
export const PRIVATE_FILE = 0o600;

/**
 * Makes the folder, or takes it from everybody else: what an engine puts into it has the modes that the engine likes. The first
 * folder that was made, undefined where there was one.
 */
export async function makePrivateFolder(folder: string): Promise<string | undefined> {
  const made = await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER });
  if (made === undefined) {
    // Of another user, whose business it is.
    await chmod(folder, PRIVATE_FOLDER).catch(() => undefined);
  }
  return made;
}
