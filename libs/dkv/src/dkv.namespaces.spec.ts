/** Namespaces in a Nest application: declared by modules, injected by name, kept apart, remembered by the folder. */
import { Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { IsInt, IsString, MinLength, ValidateNested } from 'class-validator';
import { Type } from 'class-transformer';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../testing/captured-log.js';
import { caught, rejected } from '../testing/caught.js';
import { MovableWallClock } from '../testing/movable-wall-clock.js';
import { JsonCodec } from './codec/json-codec.js';
import { type Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvNamespaceOptions } from './dkv.namespace-options.js';
import { type DkvModuleOptions } from './dkv.options.js';
import { getDkvToken } from './dkv.tokens.js';
import { InjectDkv } from './inject-dkv.js';
import { GrowOnlySetMerger } from './merger/grow-only-set-merger.js';
import { Merger } from './ports/merger.js';

const folders: string[] = [];
const modules: TestingModule[] = [];

afterEach(async () => {
  for (const module of modules.splice(0)) {
    await module.close();
  }
  for (const folder of folders.splice(0)) {
    rmSync(folder, { recursive: true, force: true });
  }
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dkv-namespaces-'));
  folders.push(folder);
  return folder;
}

async function boot(options: DkvModuleOptions, ...features: DkvNamespaceOptions[][]) {
  const root = DkvModule.forRoot({ storage: 'memory', logger: new CapturedLog(), ...options });
  const imports = [root, ...features.map((each) => DkvModule.forFeature(each))];
  const module = await Test.createTestingModule({ imports }).compile();
  modules.push(module);
  await module.init();
  return module;
}

const clientOf = <V>(module: TestingModule, name?: string) =>
  module.get<Dkv<V>>(getDkvToken(name), { strict: false });

describe('a namespace', () => {
  it('is injected by its name, and keeps its keys to itself', async () => {
    @Injectable()
    class Sessions {
      constructor(
        @InjectDkv('sessions') readonly sessions: Dkv<{ user: string }>,
        @InjectDkv() readonly others: Dkv,
      ) {}
    }
    @Module({ imports: [DkvModule.forFeature([{ name: 'sessions' }])], providers: [Sessions] })
    class SessionsModule {}
    const root = DkvModule.forRoot({ storage: 'memory', logger: new CapturedLog() });
    const module = await Test.createTestingModule({ imports: [SessionsModule, root] }).compile();
    modules.push(module);
    await module.init();
    const { sessions, others } = module.get(Sessions, { strict: false });
    await sessions.addOrUpdate('k', { user: 'ada' });
    expect(await others.get('k')).toBeUndefined();
    expect((await sessions.getOrThrow('k')).value).toEqual({ user: 'ada' });
  });

  it('is one for all modules that declare it alike', async () => {
    const declared = (): DkvNamespaceOptions[] => [
      { name: 'tags', mode: 'eventual', merger: new GrowOnlySetMerger() },
    ];
    const module = await boot({}, declared(), declared());
    expect(clientOf(module, 'tags')).toBeDefined();
  });

  it('has a mode, a codec and a merger of its own', async () => {
    const tags = {
      name: 'tags',
      mode: 'eventual',
      codec: new JsonCodec(),
      merger: new GrowOnlySetMerger(),
    } as const;
    const module = await boot({}, [tags]);
    const client = clientOf<string[]>(module, 'tags');
    await client.addOrUpdate('k', ['b'], { consistency: 'all' });
    expect((await client.addOrUpdate('k', ['a'])).value).toEqual(['a', 'b']);
    expect((await rejected(client.update('k', () => []))).code).toBe('DKV_UNSUPPORTED');
  });

  it('has levels of its own, else those of the root as far as its mode offers them', async () => {
    const module = await boot({ mode: 'eventual', writeConsistency: 'one' }, [
      { name: 'strong' },
      { name: 'also eventual', mode: 'eventual', readConsistency: 'quorum' },
    ]);
    for (const name of ['strong', 'also eventual']) {
      await clientOf(module, name).addOrUpdate('k', 1);
      expect(await clientOf(module, name).get('k')).toBeDefined();
    }
  });

  it('gives its lifetime to writes that name none', async () => {
    const clock = new MovableWallClock();
    const short = clientOf(await boot({ clock }, [{ name: 'short', ttlMs: 1_000 }]), 'short');
    await short.addOrUpdateMany([
      ['a', 1],
      ['b', 1],
    ]);
    await short.addOrUpdate('kept', 1, { ttlMs: 0 });
    expect(await short.touch('b', 5_000)).toBe(true);
    clock.nowMs += 1_000;
    const left = await short.getMany(['a', 'b', 'kept']);
    expect(left.map((pair) => pair?.key)).toEqual([undefined, 'b', 'kept']);
    expect(await short.touch('a', 5_000)).toBe(false);
  });
});

describe('values that are validated', () => {
  class Address {
    @IsString() city!: string;
  }
  class Person {
    @IsString() @MinLength(1) name!: string;
    @IsInt() age!: number;
    @ValidateNested() @Type(() => Address) address!: Address;
  }
  const ada = { name: 'Ada', age: 36, address: { city: 'London' } };
  const people = async () =>
    clientOf<object>(await boot({}, [{ name: 'people', validate: Person }]), 'people');

  it.each<[string, unknown]>([
    ['name must be longer', { ...ada, name: '' }],
    ['age must be an integer', { ...ada, age: '36' }],
    ['address.city must be a string', { ...ada, address: { city: 5 } }],
    ['is not a JSON object', [ada]],
    ['is not a JSON object', null],
  ])('are refused before they are written: %s', async (reason, value) => {
    const client = await people();
    for (const call of [
      client.addOrUpdate('k', value as object),
      client.compareAndSet('k', null, value as object),
      client.update('k', () => value as object),
    ]) {
      const error = await rejected(call);
      expect(error.code).toBe('DKV_INVALID_ARGUMENT');
      expect(error.message).toMatch(new RegExp(`^The value of key "k".*${reason}`));
    }
    expect(await client.get('k')).toBeUndefined();
  });

  it('are stored as they are given, more fields included, and read as plain values', async () => {
    const client = await people();
    const given = { ...ada, more: true };
    await client.addOrUpdate('k', given);
    expect((await client.getOrThrow('k')).value).toEqual(given);
    await client.addOrUpdate('i', Object.assign(new Person(), ada));
    expect((await client.getOrThrow('i')).value).not.toBeInstanceOf(Person);
  });
});

describe('a boot fails, naming the remedy, with', () => {
  it.each<[string, Partial<DkvNamespaceOptions> & Record<string, unknown>]>([
    ['name is undefined: give 1 to 64 bytes', { name: undefined }],
    ['name is "": give 1 to 64 bytes', { name: '' }],
    ['name is "default": give', { name: 'default' }],
    ['name is "dkv.locks": give', { name: 'dkv.locks' }],
    ['name is "a\\u0000b": give', { name: 'a\0b' }],
    ['mode is "weak": give one of strong, eventual', { mode: 'weak' as never }],
    ['replicas is 16: give a whole number', { replicas: 16 }],
    ['ttlMs is -1: give a whole number', { ttlMs: -1 }],
    ['codec is an object: give a Codec', { codec: {} as never }],
    ['merger is an object: mode is strong', { merger: new GrowOnlySetMerger() }],
    ['validate is an object: give a class', { validate: {} as never }],
    ['writeConsistency is "all": mode is strong', { writeConsistency: 'all' }],
    [
      'readConsistency is "linearizable": mode is eventual',
      { mode: 'eventual', readConsistency: 'linearizable' },
    ],
    ['replica is not an option of a namespace', { replica: 1 }],
  ])('%s', async (reason, options) => {
    const error = await rejected(boot({}, [{ name: 'n', ...options }]));
    expect(error.code).toBe('DKV_INVALID_OPTIONS');
    expect(error.message).toContain(`- ${reason}`);
  });

  it('a merger of the default namespace that would never be asked', async () => {
    const root = DkvModule.forRoot({
      storage: 'memory',
      logger: new CapturedLog(),
      overrides: [{ provide: Merger, useClass: GrowOnlySetMerger }],
    });
    const error = await rejected(Test.createTestingModule({ imports: [root] }).compile());
    expect(error).toMatchObject({ code: 'DKV_INVALID_OPTIONS' });
    expect(error.message).toMatch(/namespace "default"[^]*merger.*mode is strong.*set mode: 'eventual'/);
  });

  it('one name that is declared in two ways', async () => {
    const error = await rejected(boot({}, [{ name: 'n' }], [{ name: 'n', ttlMs: 5, mode: 'eventual' }]));
    expect(error.code).toBe('DKV_INVALID_OPTIONS');
    expect(error.message).toMatch(/"n" is declared twice, and its .*(ttlMs|mode).* differ/);
    expect(caught(() => DkvModule.forFeature([{ name: 'n' }, { name: 'n' }])).message).toContain(
      'names "n" twice',
    );
  });
});

describe('the data folder', () => {
  const storage = 'classic-level';

  it.each<[string, DkvNamespaceOptions]>([
    ['mode "eventual" on node a, and "strong" in cluster', { name: 'n', mode: 'eventual' }],
    ['codec "json" on node a, and "msgpack" in cluster', { name: 'n', codec: new JsonCodec() }],
  ])('remembers a namespace and opens it in no other way: %s', async (reason, other) => {
    const dataDir = newFolder();
    const first = await boot({ storage, dataDir, nodeId: 'a' }, [{ name: 'n' }]);
    await clientOf(first, 'n').addOrUpdate('k', 'kept');
    await first.close();
    const error = await rejected(boot({ storage, dataDir }, [other]));
    expect(error.code).toBe('DKV_CONFIGURATION_MISMATCH');
    expect(error.message).toContain('Namespace "n"');
    expect(error.message).toContain(reason);
    const again = await boot({ storage, dataDir }, [{ name: 'n' }]);
    expect(await clientOf(again, 'n').get('k')).toMatchObject({ value: 'kept' });
  });

  it('remembers the default namespace too', async () => {
    const dataDir = newFolder();
    await (await boot({ storage, dataDir })).close();
    const error = await rejected(boot({ storage, dataDir, mode: 'eventual' }));
    expect(error.code).toBe('DKV_CONFIGURATION_MISMATCH');
    expect(error.message).toMatch(/"default" has mode "eventual" on node .*, and "strong" in cluster/);
  });

  it('says at the start which of its namespaces nobody declares', async () => {
    const dataDir = newFolder();
    await (await boot({ storage, dataDir }, [{ name: 'old' }, { name: 'kept' }])).close();
    const logger = new CapturedLog();
    await boot({ storage, dataDir, logger }, [{ name: 'kept' }]);
    expect(logger.warnings.filter((line) => line.includes('no DkvModule.forFeature declares here'))).toEqual([
      expect.stringMatching(/declares here: old\. /),
    ]);
  });

  it.each([
    ['as it was', 1, []],
    ['for another', 0, [expect.stringMatching(/"n" has 1 replicas in cluster .*, not 0:/)]],
    ['for none', undefined, [expect.stringMatching(/"n" has 1 replicas in .*, not as many as the cluster:/)]],
  ])('keeps how many copies a namespace asked for, whoever asks %s', async (_, replicas, warnings) => {
    const dataDir = newFolder();
    const first = await boot({ storage, dataDir }, [{ name: 'n', replicas: 1 }]);
    await clientOf(first, 'n').addOrUpdate('k', 'kept');
    const nodes = clientOf(first, 'n').nodesOf('k');
    await first.close();
    const logger = new CapturedLog();
    const asked = replicas === undefined ? {} : { replicas };
    const again = await boot({ storage, dataDir, logger }, [{ name: 'n', ...asked }]);
    expect(await clientOf(again, 'n').get('k')).toMatchObject({ value: 'kept' });
    expect(clientOf(again, 'n').nodesOf('k')).toEqual(nodes);
    expect(logger.warnings.filter((line) => line.includes('"n"'))).toEqual(warnings);
  });

  it('takes a namespace that is added later', async () => {
    const dataDir = newFolder();
    await (await boot({ storage, dataDir }, [{ name: 'n' }])).close();
    const again = await boot({ storage, dataDir }, [
      { name: 'n' },
      { name: 'later', mode: 'eventual', replicas: 0 },
    ]);
    await clientOf(again, 'later').addOrUpdate('k', 'v');
    expect(await clientOf(again, 'later').get('k')).toMatchObject({ value: 'v' });
    expect(await clientOf(again, 'n').get('k')).toBeUndefined();
  });
});

it.each<[string, DkvModuleOptions, DkvNamespaceOptions[], RegExp]>([
  [
    'for whose partitions there are no numbers',
    { partitions: 20_000 },
    [{ name: 'n', replicas: 2 }],
    /"n" asks for 2 replicas: with 20000 partitions a namespace may ask for at most 1\./,
  ],
  [
    'that is one too many',
    {},
    Array.from({ length: 255 }, (_, number) => ({ name: `n${number}` })),
    /"n254" is not added: .* 256 namespaces, which is the most/,
  ],
])('a boot fails with a namespace %s', async (_, options, namespaces, message) => {
  const error = await rejected(boot(options, namespaces));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  expect(error.message).toMatch(message);
});
