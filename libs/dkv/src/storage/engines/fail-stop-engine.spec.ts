import { describe, expect, it } from 'vitest';
import { FaultyStoreEngine } from '../../../testing/faulty-store-engine.js';
import { FailStopEngine } from './fail-stop-engine.js';

const SYNC = { sync: true };
const FAILED_SYNC = new Error('IO error: While fsync: Input/output error');
const FULL_DISK = Object.assign(new Error('No space left on device'), { code: 'ENOSPC' });

function setup() {
  const disk = new FaultyStoreEngine();
  return { disk, engine: new FailStopEngine(disk) };
}

describe('an engine that stops at a failure', () => {
  it('takes no batch after a failed sync, though the disk would', async () => {
    const { disk, engine } = setup();
    disk.error = FAILED_SYNC;
    await expect(engine.batch([], SYNC)).rejects.toBe(FAILED_SYNC);
    disk.error = undefined;
    await expect(engine.batch([], SYNC)).rejects.toBe(FAILED_SYNC);
    expect(engine.failure).toBe(FAILED_SYNC);
    expect(disk.batches).toHaveLength(0);
  });

  it('does not vouch for a batch that was under way when another one failed', async () => {
    const { disk, engine } = setup();
    let goOn!: () => void;
    disk.stall = new Promise((resolve) => (goOn = resolve));
    const first = engine.batch([], SYNC);
    disk.stall = undefined;
    disk.error = FAILED_SYNC;
    await expect(engine.batch([], SYNC)).rejects.toBe(FAILED_SYNC);
    disk.error = undefined;
    goOn();
    await expect(first).rejects.toBe(FAILED_SYNC);
  });

  it('goes on after a full disk', async () => {
    const { disk, engine } = setup();
    disk.error = FULL_DISK;
    await expect(engine.batch([], SYNC)).rejects.toBe(FULL_DISK);
    disk.error = undefined;
    await engine.batch([], SYNC);
    expect(engine.failure).toBeUndefined();
  });
});
