/** What the documents show: commands, TypeScript, and the compiled files that hold that: `test/readme/<document>*`, run by the specs. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');

/** README.md and the guides, by name. */
export function documents(): string[] {
  const guides = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...guides.sort().map((name) => `docs/${name}`)];
}

/** Those that show TypeScript. */
export function documentsWithExamples(): string[] {
  return documents().filter((path) => blocksOf(path).length > 0);
}

/** The blocks of TypeScript in a document, without their indentation. */
export function blocksOf(path: string): string[] {
  return fencedBlocksOf(path, 'ts').map(unindented);
}

/** The blocks of shell commands in a document, without their indentation. */
export function shellBlocksOf(path: string): string[] {
  return fencedBlocksOf(path, 'sh', 'bash', 'shell', 'console').map(unindented);
}

/** The blocks of these languages in a document, as they stand there. */
export function fencedBlocksOf(path: string, ...languages: readonly string[]): string[] {
  const text = documentText(path);
  const pattern = new RegExp(`^ *\`\`\`(?:${languages.join('|')})\\n([^]*?)^ *\`\`\`$`, 'gm');
  return [...text.matchAll(pattern)].map(([, block]) => block!.trimEnd());
}

/** A document as it stands there. */
export function documentText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
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
