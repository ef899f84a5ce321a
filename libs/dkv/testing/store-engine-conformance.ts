/** What a {@link StoreEngine} must do, as tests that each implementation passes. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type OpenStoreEngine,
  type StoreEngine,
  type StoreOperation,
  type StoreRange,
} from '../src/storage/engines/store-engine.js';

const ALL = { from: Uint8Array.of(0), to: Uint8Array.of(255, 255) };

const bytes = (text: string) => Buffer.from(text);
const put = (key: string, value = key): StoreOperation => ({
  type: 'put',
  key: bytes(key),
  value: bytes(value),
});
const del = (key: string): StoreOperation => ({ type: 'del', key: bytes(key) });
const number = (at: number) => String(at).padStart(6, '0');

/** A kind of engine to be tested. */
export interface StoreEngineSubject {
  /** What it calls itself. */
  readonly name: string;
  /** Whether what was written is there again after closing and opening. */
  readonly durable: boolean;
  readonly open: OpenStoreEngine;
}

/** An engine in a folder of its own, for one test. */
class EngineUnderTest {
  private constructor(
    private readonly open: OpenStoreEngine,
    readonly folder: string,
    public engine: StoreEngine,
  ) {}

  static async with(open: OpenStoreEngine, body: (under: EngineUnderTest) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'dkv-engine-'));
    try {
      const under = new EngineUnderTest(open, folder, await open(join(folder, 'store')));
      try {
        await body(under);
      } finally {
        await under.engine.close();
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  get path(): string {
    return join(this.folder, 'store');
  }

  async reopen(): Promise<void> {
    this.engine = await this.open(this.path);
  }

  async entries(range: StoreRange = ALL): Promise<string[]> {
    const found: string[] = [];
    for await (const { key, value } of this.engine.iterate(range)) {
      found.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
    }
    return found;
  }

  async value(key: string): Promise<string | undefined> {
    const found = await this.engine.get(bytes(key));
    return found && Buffer.from(found).toString();
  }
}

/**
 * Defines the tests of a StoreEngine with `test`, a runner's `test` or `it` (Vitest, Jest, node:test). Each test has a
 * folder of its own, which it removes. The assertions are `node:assert/strict`.
 */
export function testStoreEngine(
  test: (name: string, body: () => Promise<void>) => unknown,
  { name, durable, open }: StoreEngineSubject,
): void {
  const define = (title: string, body: (under: EngineUnderTest) => Promise<void>) =>
    test(title, () => EngineUnderTest.with(open, body));

  define('puts, replaces, deletes and gets', async (under) => {
    assert.equal(under.engine.name, name);
    assert.equal(await under.value('a'), undefined);
    await under.engine.batch([put('a'), put('b'), put('c')], { sync: false });
    await under.engine.batch([put('a', 'A'), del('b'), del('never')], { sync: true });
    assert.deepEqual(
      [await under.value('a'), await under.value('b'), await under.value('c')],
      ['A', undefined, 'c'],
    );
  });

  define('applies the operations of a batch in order', async (under) => {
    await under.engine.batch([put('a', '1'), del('a'), put('b', '1'), put('b', '2')], { sync: false });
    assert.deepEqual(await under.entries(), ['b=2']);
  });

  define('keeps all bytes, empty values too, given as any view', async (under) => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const key = Uint8Array.from([0, 255, 0, 1]);
    const within = new Uint8Array(300);
    within.set(all, 20);
    await under.engine.batch(
      [
        { type: 'put', key, value: within.subarray(20, 276) },
        { type: 'put', key: Uint8Array.of(1), value: new Uint8Array(0) },
      ],
      { sync: false },
    );
    assert.deepEqual(Buffer.from((await under.engine.get(key))!), Buffer.from(all));
    assert.equal((await under.engine.get(Uint8Array.of(1)))?.length, 0);
    const found = [];
    for await (const entry of under.engine.iterate(ALL)) {
      found.push(entry.key.byteLength, entry.value.byteLength);
    }
    assert.deepEqual(found, [4, 256, 1, 0]);
  });

  define('shares no bytes with its callers', async (under) => {
    const operation = { type: 'put', key: bytes('key'), value: bytes('value') } as const;
    const writing = under.engine.batch([operation], { sync: false });
    operation.key.fill(0);
    operation.value.fill(0);
    await writing;
    (await under.engine.get(bytes('key')))!.fill(0);
    for await (const entry of under.engine.iterate(ALL)) {
      entry.key.fill(0);
      entry.value.fill(0);
    }
    assert.deepEqual(await under.entries(), ['key=value']);
  });

  define('iterates a range in the order of bytes, its end not included', async (under) => {
    await under.engine.batch(
      ['b', 'a', 'ab', 'c', 'a\0', 'B'].map((key) => put(key, '')),
      { sync: false },
    );
    assert.deepEqual(await under.entries(), ['B=', 'a=', 'a\0=', 'ab=', 'b=', 'c=']);
    assert.deepEqual(await under.entries({ from: bytes('a\0'), to: bytes('c') }), ['a\0=', 'ab=', 'b=']);
    assert.deepEqual(await under.entries({ from: bytes('d'), to: bytes('e') }), []);
    assert.deepEqual(await under.entries({ from: bytes('c'), to: bytes('a') }), []);
  });

  define('iterates over many entries and over large ones', async (under) => {
    const count = 5_000;
    await under.engine.batch(
      Array.from({ length: count }, (_, at) => put(number(at), at % 1_000 === 0 ? 'x'.repeat(200_000) : '')),
      { sync: false },
    );
    const found = await under.entries();
    assert.deepEqual(
      found.map((entry) => entry.slice(0, 6)),
      Array.from({ length: count }, (_, at) => number(at)),
    );
    assert.equal(found[3_000]?.length, 200_007);
  });

  define(
    'iterates over what is there all the while exactly once, whatever is written meanwhile',
    async (under) => {
      await under.engine.batch(
        Array.from({ length: 1_000 }, (_, at) => put(number(2 * at))),
        { sync: false },
      );
      const found: string[] = [];
      for await (const { key } of under.engine.iterate(ALL)) {
        found.push(Buffer.from(key).toString());
        if (found.length % 100 === 0) {
          const at = found.length;
          await under.engine.batch([put(number(2 * at + 1)), put(number(at)), put(number(1_999 - at))], {
            sync: false,
          });
        }
      }
      const even = found.filter((key) => Number(key) % 2 === 0);
      assert.deepEqual(
        even,
        Array.from({ length: 1_000 }, (_, at) => number(2 * at)),
      );
      assert.equal(new Set(found).size, found.length);
    },
  );

  define('knows its size, about', async (under) => {
    const before = under.engine.sizeBytes();
    // Bytes that do not compress.
    const value = Uint8Array.from(
      { length: 2_000_000 },
      (_, at) => (Math.imul(at, 2_654_435_761) >>> 13) & 255,
    );
    await under.engine.batch([{ type: 'put', key: bytes('large'), value }], { sync: true });
    assert.ok(under.engine.sizeBytes() > before + 1_500_000);
    assert.ok(under.engine.sizeBytes() < before + 4_000_000);
  });

  define('refuses everything once it is closed, and closes again', async (under) => {
    await under.engine.batch([put('a'), put('b')], { sync: false });
    await under.engine.close();
    await assert.rejects(under.engine.get(bytes('a')));
    await assert.rejects(under.engine.batch([put('a')], { sync: false }));
    await assert.rejects(under.entries());
    assert.equal(under.engine.sizeBytes(), 0);
    await under.engine.close();
  });

  define('closes while it is used: what runs ends, an iteration stops at its next step', async (under) => {
    await under.engine.batch(
      Array.from({ length: 2_000 }, (_, at) => put(number(at), 'x'.repeat(500))),
      { sync: false },
    );
    const iterations = Array.from({ length: 3 }, () => under.engine.iterate(ALL)[Symbol.asyncIterator]());
    await Promise.all(iterations.map((iteration) => iteration.next()));
    const work = [
      ...Array.from({ length: 50 }, (_, at) => under.engine.get(bytes(number(at)))),
      ...Array.from({ length: 20 }, (_, at) => under.engine.batch([put(`new-${at}`)], { sync: true })),
    ];
    const settled = Promise.allSettled([...work, iterations[0]!.next()]);
    await under.engine.close();
    await settled;
    // Some entries may have been read ahead.
    const drain = async () => {
      for (let step = await iterations[1]!.next(); step.done !== true; step = await iterations[1]!.next());
    };
    await assert.rejects(drain());
    await iterations[2]!.return?.();
  });

  if (!durable) {
    return;
  }

  define('has it all again after closing and opening', async (under) => {
    await under.engine.batch([put('a'), put('b')], { sync: false });
    await under.engine.close();
    await under.reopen();
    assert.deepEqual(await under.entries(), ['a=a', 'b=b']);
  });

  define('cannot be opened twice', async (under) => {
    await assertRefused(open(under.path), 'DKV_STORE_LOCKED', under.path);
  });

  define('says why it cannot be opened', async (under) => {
    const taken = join(under.folder, 'file');
    await writeFile(taken, 'not a folder');
    await assertRefused(open(taken), 'DKV_STORAGE_FAILED', taken);
  });
}

async function assertRefused(opening: Promise<unknown>, code: string, named: string): Promise<void> {
  await assert.rejects(opening, (error: Error & { code?: string }) => {
    assert.equal(error.code, code);
    assert.ok(error.message.includes(named));
    return true;
  });
}
