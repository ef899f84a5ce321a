/** Everything that was measured, for programs. */
import { writeFile } from 'node:fs/promises';

export async function writeJson(file: string, content: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
}
