/** What the documents show as TypeScript, and the compiled files that hold it: `test/readme/<document>*`, run by the specs. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');

/** README.md and the guides that show TypeScript. */
export function documentsWithExamples(): string[] {
  const guides = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...guides.map((name) => `docs/${name}`)].filter((path) => blocksOf(path).length > 0);
}

/** The blocks of TypeScript in a document, without their indentation. */
export function blocksOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return [...text.matchAll(/^```ts\n([^]*?)^```/gm)].map(([, block]) => unindented(block!).trim());
}

/** The blocks of shell commands in a document, without their indentation. */
export function shellBlocksOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return [...text.matchAll(/^ *```(?:sh|bash)\n([^]*?)^ *```$/gm)].map(([, block]) =>
    unindented(block!).trim(),
  );
}

/** All that is compiled for a document, without its indentation. */
export function compiledFor(path: string): string {
  const name = basename(path, '.md').toLowerCase();
  return readdirSync(HERE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.startsWith(name) && file.endsWith('.ts') && file !== `${name}.spec.ts`)
    .map((file) => unindented(readFileSync(join(HERE, file), 'utf8')))
    .join('\n');
}

function unindented(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .join('\n');
}
