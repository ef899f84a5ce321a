import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { rejected } from '../../../testing/caught.js';
import { chooseEngine, type EngineQuestion } from './engine-choice.js';

type Asked = EngineQuestion['asked'];
type Written = EngineQuestion['written'];

/** What becomes of a question where RocksDB runs, or does not because of `obstacle`. */
async function choice(asked: Asked, written: Written, obstacle?: string) {
  const logger = new CapturedLog();
  const probed: string[] = [];
  const probeRocksdb = async (path: string) => {
    probed.push(path);
    return obstacle;
  };
  const engine = await chooseEngine({ asked, written, path: '/data', probeRocksdb, logger });
  return { engine, probed: probed.length, warnings: logger.warnings };
}

describe('the engine of a data folder', () => {
  it.each<[Asked, Written, string, number]>([
    ['auto', undefined, 'rocksdb', 1],
    ['auto', 'rocksdb', 'rocksdb', 1],
    ['auto', 'classic-level', 'classic-level', 0],
    ['rocksdb', undefined, 'rocksdb', 1],
    ['rocksdb', 'rocksdb', 'rocksdb', 1],
    ['classic-level', undefined, 'classic-level', 0],
    ['classic-level', 'classic-level', 'classic-level', 0],
  ])('where RocksDB runs, asked for %s in a folder of %s: %s', async (asked, written, engine, probed) => {
    expect(await choice(asked, written)).toEqual({ engine, probed, warnings: [] });
  });

  it.each<[Asked, Written]>([
    ['auto', 'classic-level'],
    ['classic-level', undefined],
    ['classic-level', 'classic-level'],
  ])(
    'where RocksDB does not run, asked for %s in a folder of %s: classic-level, without a word',
    async (asked, written) => {
      expect(await choice(asked, written, 'it aborts')).toEqual({
        engine: 'classic-level',
        probed: 0,
        warnings: [],
      });
    },
  );

  it('where RocksDB does not run, auto in a new folder: classic-level, said once', async () => {
    const { engine, warnings } = await choice('auto', undefined, 'it aborts');
    expect(engine).toBe('classic-level');
    expect(warnings).toEqual([
      expect.stringMatching(/it aborts.*\/data.*classic-level.*build it from source/),
    ]);
  });

  it('where RocksDB does not run, asked for it: unavailable, with the remedy', async () => {
    for (const written of [undefined, 'rocksdb'] as const) {
      const error = await rejected(choice('rocksdb', written, 'it aborts'));
      expect(error.code).toBe('DKV_ENGINE_UNAVAILABLE');
      expect(error.message).toMatch(/it aborts.*build it from source.*set storage to 'classic-level'/);
    }
  });

  it('where RocksDB does not run, auto in a folder of it: refused, never empty beside the old data', async () => {
    const error = await rejected(choice('auto', 'rocksdb', 'it aborts'));
    expect(error.code).toBe('DKV_STORE_MISMATCH');
    expect(error.message).toMatch(
      /\/data was written by rocksdb.*it aborts.*build it from source.*another dataDir/,
    );
  });

  it.each<[Asked, Written]>([
    ['rocksdb', 'classic-level'],
    ['classic-level', 'rocksdb'],
  ])('asked for %s in a folder of %s: refused, naming both', async (asked, written) => {
    const error = await rejected(choice(asked, written));
    expect(error.code).toBe('DKV_STORE_MISMATCH');
    expect(error.message).toContain(`written by ${written}`);
    expect(error.message).toContain(`'${asked}'`);
  });
});
