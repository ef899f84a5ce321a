#!/usr/bin/env node
/** What `npx -p nestjs-dkv dkv` runs: the command line on the terminal that called it. */
import { createInterface } from 'node:readline/promises';
import { runDkv } from './dkv-program.js';

// Whoever read the output may be gone, as in `dkv recover … | head`: what was begun goes on.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

process.exitCode = await runDkv(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  ask: process.stdin.isTTY ? ask : undefined,
});

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}
