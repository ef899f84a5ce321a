/** No document shows TypeScript that is not compiled: each block is the text of a file that the specs here run. */
import { expect, it } from 'vitest';
import { blocksOf, compiledFor, documentsWithExamples } from './documented.js';

it('finds documents with examples', () => {
  expect(documentsWithExamples()).toEqual(expect.arrayContaining(['README.md', 'docs/consistency.md']));
});

it.each(documentsWithExamples())('shows what is compiled, word for word: %s', (path) => {
  const compiled = compiledFor(path);
  expect(blocksOf(path).filter((block) => !compiled.includes(block))).toEqual([]);
});
