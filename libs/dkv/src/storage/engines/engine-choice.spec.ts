import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { rejected } from '../../../testing/caught.js';
import { chooseEngine, type EngineQuestion } from './engine-choice.js';

type Asked = EngineQuestion['asked'];
type Written = EngineQuestion['written'];
type DiskAsked = Exclude<Asked, 'auto'>;

interface Machine {
  readonly nodeMajor: number;
  /** Why each does not run, if it does not. */
  readonly rocksdb?: string;
  readonly native?: string;
}

const NOT_INSTALLED = 'it is not installed';
const NODE_20: Machine = { nodeMajor: 20, native: NOT_INSTALLED };
const NODE_24: Machine = { nodeMajor: 24, rocksdb: 'it aborts', native: NOT_INSTALLED };
const NODE_24_WITH_NATIVE: Machine = { nodeMajor: 24, rocksdb: 'it aborts' };

/** What becomes of a question, which engines were tried for it, and what is said. */
async function choice(asked: Asked, written: Written, { nodeMajor, rocksdb, native }: Machine) {
  const logger = new CapturedLog();
  const probed: string[] = [];
  const probeOf = (engine: string, obstacle: string | undefined) => async (path: string) => {
    probed.push(`${engine} in ${path}`);
    return obstacle;
  };
  const probes = { rocksdb: probeOf('rocksdb', rocksdb), 'rocksdb-native': probeOf('native', native) };
  const engine = await chooseEngine({ asked, written, path: '/data', probes, nodeMajor, logger });
  return { engine, probed, warnings: logger.warnings, lines: logger.lines };
}

const ROCKSDB = 'rocksdb in /data';
const NATIVE = 'native in /data';

describe('the engine of a data folder', () => {
  it.each<[Asked, Written, string, string[]]>([
    ['auto', undefined, 'rocksdb', [ROCKSDB]],
    ['auto', 'rocksdb', 'rocksdb', [ROCKSDB]],
    ['auto', 'classic-level', 'classic-level', []],
    ['rocksdb', undefined, 'rocksdb', [ROCKSDB]],
    ['rocksdb', 'rocksdb', 'rocksdb', [ROCKSDB]],
    ['classic-level', undefined, 'classic-level', []],
    ['classic-level', 'classic-level', 'classic-level', []],
  ])('where rocksdb runs, asked for %s in a folder of %s: %s', async (asked, written, engine, probed) => {
    expect(await choice(asked, written, NODE_20)).toEqual({ engine, probed, warnings: [], lines: [] });
  });

  it.each<[Asked, Written]>([
    ['auto', 'rocksdb-native'],
    ['rocksdb-native', undefined],
    ['rocksdb-native', 'rocksdb-native'],
  ])('asked for %s in a folder of %s: rocksdb-native where it runs, on any Node', async (asked, written) => {
    for (const nodeMajor of [20, 24]) {
      expect(await choice(asked, written, { nodeMajor })).toEqual({
        engine: 'rocksdb-native',
        probed: [NATIVE],
        warnings: [],
        lines: [],
      });
    }
  });

  it.each<[Asked, Written]>([
    ['auto', 'classic-level'],
    ['classic-level', undefined],
    ['classic-level', 'classic-level'],
  ])(
    'where RocksDB does not run, asked for %s in a folder of %s: classic-level, without a word',
    async (asked, written) => {
      expect(await choice(asked, written, NODE_24)).toEqual({
        engine: 'classic-level',
        probed: [],
        warnings: [],
        lines: [],
      });
    },
  );

  it('auto in a new folder on Node 22 and newer: rocksdb-native where it is installed, and why', async () => {
    for (const nodeMajor of [22, 24]) {
      expect(await choice('auto', undefined, { ...NODE_24_WITH_NATIVE, nodeMajor })).toEqual({
        engine: 'rocksdb-native',
        // Not rocksdb: its probe would crash.
        probed: [NATIVE],
        warnings: [],
        lines: [
          expect.stringMatching(new RegExp(`/data is made with rocksdb-native.*on Node ${nodeMajor}\\.$`)),
        ],
      });
    }
  });

  it('auto in a new folder on Node 20: rocksdb, also where rocksdb-native is installed', async () => {
    expect(await choice('auto', undefined, { nodeMajor: 20 })).toMatchObject({
      engine: 'rocksdb',
      probed: [ROCKSDB],
      lines: [],
    });
  });

  it('auto in a new folder on Node 20 without rocksdb: rocksdb-native where it is installed, and why', async () => {
    const { engine, lines } = await choice('auto', undefined, { nodeMajor: 20, rocksdb: NOT_INSTALLED });
    expect(engine).toBe('rocksdb-native');
    expect(lines).toEqual([
      expect.stringMatching(/with rocksdb-native.*not with rocksdb: it is not installed/),
    ]);
  });

  it('auto in a new folder on Node 24 with a rocksdb that was built from source: that one', async () => {
    expect(await choice('auto', undefined, { nodeMajor: 24, native: NOT_INSTALLED })).toEqual({
      engine: 'rocksdb',
      probed: [NATIVE, ROCKSDB],
      warnings: [],
      lines: [],
    });
  });

  it('auto in a new folder where RocksDB does not run: classic-level, said once, with both reasons', async () => {
    const { engine, warnings } = await choice('auto', undefined, NODE_24);
    expect(engine).toBe('classic-level');
    expect(warnings).toEqual([
      expect.stringMatching(
        /rocksdb-native: it is not installed; rocksdb: it aborts.*\/data.*classic-level.*npm install rocksdb-native.*build it from source/,
      ),
    ]);
  });

  it.each<[DiskAsked, RegExp]>([
    ['rocksdb', /it aborts.*build it from source.*set storage to 'classic-level'/],
    ['rocksdb-native', /not installed.*npm install rocksdb-native.*set storage to 'classic-level'/],
  ])('asked for %s where it does not run: unavailable, with the remedy', async (asked, remedy) => {
    for (const written of [undefined, asked]) {
      const error = await rejected(choice(asked, written, NODE_24));
      expect(error.code).toBe('DKV_ENGINE_UNAVAILABLE');
      expect(error.message).toMatch(remedy);
    }
  });

  it.each<[DiskAsked, RegExp]>([
    ['rocksdb', /\/data was written by rocksdb,.*it aborts.*build it from source.*another dataDir/],
    ['rocksdb-native', /\/data was written by rocksdb-native,.*npm install rocksdb-native.*another dataDir/],
  ])(
    'auto in a folder of %s where it does not run: refused, never empty beside the old data',
    async (written, remedy) => {
      const error = await rejected(choice('auto', written, NODE_24));
      expect(error.code).toBe('DKV_STORE_MISMATCH');
      expect(error.message).toMatch(remedy);
    },
  );

  it.each<[DiskAsked, DiskAsked]>([
    ['rocksdb', 'classic-level'],
    ['classic-level', 'rocksdb'],
    ['rocksdb', 'rocksdb-native'],
    ['rocksdb-native', 'rocksdb'],
    ['rocksdb-native', 'classic-level'],
  ])('asked for %s in a folder of %s: refused, naming both', async (asked, written) => {
    const error = await rejected(choice(asked, written, { nodeMajor: 20 }));
    expect(error.code).toBe('DKV_STORE_MISMATCH');
    expect(error.message).toContain(`written by ${written};`);
    expect(error.message).toContain(`'${asked}'`);
  });
});
