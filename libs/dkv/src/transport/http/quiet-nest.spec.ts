/** The host's log loses nothing and gains nothing while an inner application starts. */
import { ConsoleLogger, Logger as NestLogger, type LoggerService } from '@nestjs/common';
import { AsyncResource } from 'node:async_hooks';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withQuietNest } from './quiet-nest.js';

const before = NestLogger['staticInstanceRef'];
let lines: unknown[];
let warnings: string[];
let host: LoggerService;

const own = { log() {}, error() {}, warn: (message: string) => void warnings.push(message) };

beforeEach(() => {
  lines = [];
  warnings = [];
  const note = (...line: unknown[]) => void lines.push(line);
  host = { log: note, warn: note, error: note };
  NestLogger.overrideLogger(host);
});

afterEach(() => {
  NestLogger.overrideLogger(before ?? new ConsoleLogger());
});

it('keeps down what the start says, also after awaiting, and hands its warnings on', async () => {
  await withQuietNest(own, async () => {
    new NestLogger('Inner').log('one');
    await Promise.resolve();
    new NestLogger('Inner').error('two');
    new NestLogger('Inner').debug('three');
    new NestLogger('Inner').warn('four');
  });
  expect(lines).toEqual([]);
  expect(warnings).toEqual(['four']);
});

it('passes on what others say meanwhile', async () => {
  const starting = withQuietNest(own, () => Promise.resolve());
  new NestLogger('Host').log('message', 'extra');
  await starting;
  expect(lines).toEqual([['message', 'extra', 'Host']]);
});

it('lets go when the start fails', async () => {
  await expect(withQuietNest(own, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(NestLogger['staticInstanceRef']).toBe(host);
});

it('does not keep down what is said later in the context of the start', async () => {
  let later = () => {};
  await withQuietNest(own, async () => {
    // As the callbacks of a server are, which was opened in the start.
    later = AsyncResource.bind(() => new NestLogger('Host').log('later'));
  });
  const other = withQuietNest(own, () => Promise.resolve());
  later();
  await other;
  expect(lines).toEqual([['later', 'Host']]);
});

it('serves two starts at once, and ends with the last', async () => {
  let endFirst = () => {};
  const first = withQuietNest(own, () => new Promise<void>((resolve) => (endFirst = resolve)));
  let endSecond = () => {};
  const second = withQuietNest(own, async () => {
    await new Promise<void>((resolve) => (endSecond = resolve));
    new NestLogger('Inner').log('still starting');
  });
  endFirst();
  await first;
  endSecond();
  await second;
  expect(lines).toEqual([]);
  expect(NestLogger['staticInstanceRef']).toBe(host);
});

it('leaves a logger alone that the host set meanwhile', async () => {
  const changed = { ...host };
  await withQuietNest(own, async () => {
    NestLogger.overrideLogger(changed);
  });
  expect(NestLogger['staticInstanceRef']).toBe(changed);
});

it('does not go in circles when the host logs through a plain Nest Logger', async () => {
  const plain = new NestLogger();
  NestLogger.overrideLogger(plain);
  const starting = withQuietNest(own, () => Promise.resolve());
  const written: unknown[] = [];
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = (text: string | Uint8Array) => written.push(text) > 0;
  try {
    new NestLogger('Host').log('message');
  } finally {
    process.stdout.write = write;
  }
  await starting;
  expect(written.join('')).toContain('message');
  expect(NestLogger['staticInstanceRef']).toBe(plain);
});

it('keeps silent for a host that logs nothing', async () => {
  NestLogger.overrideLogger(false);
  const starting = withQuietNest(own, () => Promise.resolve());
  new NestLogger('Host').log('message');
  await starting;
  expect(NestLogger['staticInstanceRef']).toBeUndefined();
});
