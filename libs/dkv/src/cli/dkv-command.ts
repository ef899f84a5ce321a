#!/usr/bin/env node
/** What `npx -p nestjs-dkv dkv` runs: the command line on the terminal that called it. */
import { createInterface } from 'node:readline/promises';
import { awakeDuring } from '../system/awake.js';
import { runDkv } from './dkv-program.js';
import { type Screen, type Terminal } from './terminal.js';

/** Of a terminal that does not say how wide it is. */
const USUAL_COLUMNS = 80;

// Whoever read the output may be gone, as in `dkv recover … | head`: what was begun goes on.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const terminal: Terminal = {
  out: (data) => void process.stdout.write(data),
  error: (text) => void process.stderr.write(text),
  ask: process.stdin.isTTY ? ask : undefined,
  screen: process.stdout.isTTY ? screenOf(process.stdout.columns) : undefined,
  input: () => process.stdin,
  env: process.env,
};
process.exitCode = await awakeDuring(runDkv(process.argv.slice(2), terminal));

function screenOf(columns: number): Screen {
  return { columns: columns || USUAL_COLUMNS, hasColour: (process.env.NO_COLOR ?? '') === '' };
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}
