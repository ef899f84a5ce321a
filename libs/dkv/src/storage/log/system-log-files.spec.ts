/** The node log in a folder of the real file system. */
import { mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { type LogReplay } from '../../ports/node-log.js';
import { SystemClock } from '../../system/system-clock.js';
import { type OpenedNodeLog, openNodeLog } from './open-node-log.js';
import { SystemLogFiles } from './system-log-files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dkv-log-'));
});
afterEach(() => rm(folder, { recursive: true }));

function open(
  durability: 'wal' | 'fsync',
  shown: string[],
  segmentBytesMax = 20_000,
): Promise<OpenedNodeLog> {
  const replay: LogReplay = {
    hardState: (group, { vote }) => shown.push(`vote ${group} ${vote}`),
    entry: (group, _, _term, index, _kind, data) =>
      shown.push(`${group}/${index} ${Buffer.from(data).toString()}`),
    reset: (group) => shown.push(`reset ${group}`),
    batch: (_, bytes) => shown.push(`batch ${bytes.length}`),
  };
  return openNodeLog(
    {
      files: new SystemLogFiles(folder, new SystemClock()),
      durability,
      clock: new ManualClock(),
      logger: new CapturedLog(),
      segmentBytesMax,
      reserveBytes: 100_000,
    },
    replay,
  );
}

it.each(['wal', 'fsync'] as const)(
  'is written, reopened, released and reopened under %s',
  async (durability) => {
    const { log, end } = await open(durability, []);
    expect(end).toMatchObject({ tornBytes: 0, forgot: undefined });
    const expected: string[] = [];
    for (let turn = 0; turn < 50; turn++) {
      for (let at = 1; at <= 20; at++) {
        const index = turn * 20 + at;
        log.addEntry(1, 0, 1, index, 'operations', Buffer.from(`value ${index}`));
        expected.push(`1/${index} value ${index}`);
      }
      await new Promise<void>((resolve, reject) => log.flush((error) => (error ? reject(error) : resolve())));
    }
    await vi.waitFor(async () => expect((await readFile(join(folder, 'log-reserve'))).length).toBe(100_000));
    const shown: string[] = [];
    // The first one is left as a killed process leaves it.
    const second = await open(durability, shown);
    expect(shown).toEqual(expected);
    expect(second.end).toEqual({ position: log.position, tornBytes: 0, forgot: undefined });
    second.log.release({ indexOf: () => 700, batchesUpTo: 0 });
    await second.log.close();
    await log.close();
    const again: string[] = [];
    const third = await open(durability, again);
    expect(again.length).toBeLessThan(600);
    expect(again.length).toBeGreaterThanOrEqual(300);
    expect(expected.slice(-again.length)).toEqual(again);
    await third.log.close();
  },
);

it('cuts a torn end, and refuses a folder that is gone', async () => {
  const { log } = await open('wal', []);
  for (let index = 1; index <= 3; index++) {
    log.addEntry(1, 0, 1, index, 'operations', Buffer.from('v'));
    log.flush((error) => expect(error).toBeUndefined());
  }
  const name = (await readdir(folder)).find((file) => file.endsWith('.seg'))!;
  await truncate(join(folder, name), log.position - 1);
  const shown: string[] = [];
  const { log: again, end } = await open('wal', shown);
  expect(end.tornBytes).toBe(50);
  expect(shown).toEqual(['1/1 v', '1/2 v']);
  await again.close();
  await log.close();
  const nowhere = new SystemLogFiles(join(folder, 'none'), new SystemClock());
  const options = { durability: 'wal', clock: new ManualClock(), logger: new CapturedLog() } as const;
  const replay = { hardState() {}, entry() {}, reset() {}, batch() {} };
  await expect(openNodeLog({ files: nowhere, ...options }, replay)).rejects.toMatchObject({
    code: 'DKV_STORAGE_FAILED',
  });
});
