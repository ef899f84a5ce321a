/** `get`, `put` and `rm`: what is sent, what is printed byte by byte, and how the shell learns of keys without a value. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runShell, type ShellOptions } from '../../../../testing/cli/captured-terminal.js';
import { ADMIN_KEY, StandInNode } from '../../../../testing/cli/stand-in-node.js';
import { JsonCodec } from '../../../codec/json-codec.js';
import { MsgpackCodec } from '../../../codec/msgpack-codec.js';
import { EXIT } from '../../exit-codes.js';

const STAMP = { version: '0000000100000000002a', modified: 1_700_000_000_000 };
const BINARY = Buffer.from([0, 255, 10, 128]);
const SCREEN = { columns: 80, hasColour: false };
const VALUE = { name: 'Ada', tags: ['a', 'ü'] };

let node: StandInNode;

beforeEach(async () => {
  node = await new StandInNode().start();
  node.replies['POST /kv'] = { body: { key: 'k', ...STAMP } };
  node.replies['DELETE /kv/k'] = { body: { removed: true } };
});

afterEach(() => node.stop());

const dkv = (args: readonly string[], options: ShellOptions = {}) =>
  runShell(args, { env: { DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY }, ...options });

function stored(bytes: Uint8Array, key = 'k'): object {
  const pair = { key, value: Buffer.from(bytes).toString('base64'), ...STAMP };
  node.replies[`GET /kv/${encodeURIComponent(key)}`] = { body: pair };
  return pair;
}

describe('dkv get', () => {
  it('gives the bytes as they are, so that they can be piped', async () => {
    stored(BINARY);
    const { code, bytes, error } = await dkv(['get', 'k']);
    expect([code, Buffer.from(bytes), error]).toEqual([EXIT.done, BINARY, '']);
    expect(node.requests[0]).toMatchObject({ method: 'GET', url: '/kv/k?namespace=default', key: ADMIN_KEY });
  });

  it.each(['a/b', '.', '..', '%2F', '👩‍🚀', 'a b+c?d#e'])(
    'asks for the key %s, in a namespace, at a level',
    async (key) => {
      stored(BINARY, key);
      const { code } = await dkv(['get', '--namespace', 'n m', '--consistency', 'one', '--', key]);
      expect(code).toBe(EXIT.done);
      expect(node.requests[0]!.url).toBe(`/kv/${encodeURIComponent(key)}?namespace=n+m&consistency=one`);
    },
  );

  it('gives nothing where there is no value, and an exit code of its own', async () => {
    node.replies['GET /kv/k'] = {
      status: 404,
      body: { code: 'DKV_KEY_NOT_FOUND', message: 'There is none.' },
    };
    for (const args of [[], ['--json'], ['--codec', 'json']]) {
      const { code, out, error } = await dkv(['get', 'k', ...args]);
      expect([code, out]).toEqual([EXIT.noValue, '']);
      expect(error).toBe(`error: ${node.url}: DKV_KEY_NOT_FOUND: There is none.\n`);
    }
  });

  it.each([
    ['msgpack', new MsgpackCodec().encode(VALUE)],
    ['json', new JsonCodec().encode(VALUE)],
  ])('decodes %s', async (codec, bytes) => {
    const pair = stored(bytes);
    expect((await dkv(['get', 'k', '--codec', codec])).out).toBe(`${JSON.stringify(VALUE, null, 2)}\n`);
    expect(JSON.parse((await dkv(['get', 'k', '--codec', codec, '--json'])).out)).toEqual({
      ...pair,
      decoded: VALUE,
    });
    expect(JSON.parse((await dkv(['get', 'k', '--json'])).out)).toEqual(pair);
  });

  it('shows what JSON has no form for', async () => {
    const value = {
      bytes: Uint8Array.of(1, 2),
      map: new Map<unknown, unknown>([[1, new Set(['a'])]]),
      large: 2n ** 64n,
      at: new Date(0),
    };
    stored(new MsgpackCodec().encode(value));
    const { out } = await dkv(['get', 'k', '--codec', 'msgpack']);
    expect(JSON.parse(out)).toEqual({
      bytes: 'AQI=',
      map: [[1, ['a']]],
      large: '18446744073709551616',
      at: '1970-01-01T00:00:00.000Z',
    });
    stored(new MsgpackCodec().encode(undefined));
    expect((await dkv(['get', 'k', '--codec', 'msgpack'])).out).toBe('null\n');
  });

  it('says so where the codec is another one', async () => {
    stored(BINARY);
    const { code, out, error } = await dkv(['get', 'k', '--codec', 'json']);
    expect([code, out]).toEqual([EXIT.failed, '']);
    expect(error).toMatch(
      /^error: what is stored is not of the codec json \([^]*\): give another one, or --codec raw\.\n$/,
    );
  });

  it('sends no value to a screen that would obey it', async () => {
    for (const bytes of [BINARY, Buffer.from('a\x1b[2J'), Buffer.from([0xc3])]) {
      stored(bytes);
      const { code, out, error } = await dkv(['get', 'k'], { screen: SCREEN });
      expect([code, out]).toEqual([EXIT.failed, '']);
      expect(error).toContain(`the ${bytes.length} bytes of the value are no text: give --codec msgpack`);
    }
    stored(Buffer.from('täxt\n'));
    expect((await dkv(['get', 'k'], { screen: SCREEN })).out).toBe('täxt\n');
    stored(new JsonCodec().encode('\u202e'));
    expect((await dkv(['get', 'k', '--codec', 'json'], { screen: SCREEN })).out).toBe('"\\u202e"\n');
  });
});

describe('dkv put', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dkv-put-'));
    await writeFile(join(folder, 'value'), BINARY);
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each<[string, () => readonly string[], ShellOptions, Uint8Array]>([
    ['an argument', () => ['täxt'], {}, Buffer.from('täxt')],
    ['an empty argument', () => [''], {}, Buffer.alloc(0)],
    ['a file', () => ['--file', join(folder, 'value')], {}, BINARY],
    ['what is piped in', () => ['-'], { input: BINARY }, BINARY],
    ['nothing that is piped in', () => ['-'], {}, Buffer.alloc(0)],
    [
      'JSON as msgpack',
      () => [JSON.stringify(VALUE), '--codec', 'msgpack'],
      {},
      new MsgpackCodec().encode(VALUE),
    ],
    ['JSON as JSON', () => ['-', '--codec', 'json'], { input: '{"a": 1}\n' }, Buffer.from('{"a":1}')],
  ])('writes %s', async (_, args, options, bytes) => {
    const { code, out, error } = await dkv(['put', 'k', ...args()], options);
    expect([code, error]).toEqual([EXIT.done, '']);
    expect(out).toBe(
      `Written: ${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'}, version ${STAMP.version}.\n`,
    );
    expect(node.requests[0]).toMatchObject({
      url: '/kv?namespace=default',
      body: { key: 'k', value: Buffer.from(bytes).toString('base64') },
    });
  });

  it('sends what else was asked for, and prints the answer as JSON', async () => {
    const { out } = await dkv([
      ...['put', 'k', 'v', '--namespace', 'n', '--consistency', 'all'],
      ...['--ttl-ms', '5000', '--if-version', 'absent', '--json'],
    ]);
    expect(JSON.parse(out)).toEqual({ key: 'k', ...STAMP });
    expect(node.requests[0]).toMatchObject({
      url: '/kv?namespace=n',
      body: { key: 'k', value: 'dg==', ttlMs: 5000, consistency: 'all', ifVersion: 'absent' },
    });
  });

  it.each<[string, readonly string[], string]>([
    ['no value', [], 'give the value as an argument, or --file, or - for what is piped in'],
    ['two values', ['v', '--file', 'f'], 'give the value as an argument, or --file'],
    ['a file that is not there', ['--file', '/none'], '/none cannot be taken as a value: ENOENT'],
    ['no JSON', ['hello', '--codec', 'json'], 'text itself stands in double quotes'],
    ['a codec that is none', ['v', '--codec', 'xml'], 'Allowed choices are raw, json, msgpack'],
    ['a level that is none', ['v', '--consistency', 'linearizable'], 'Allowed choices are one, quorum, all'],
    ['a lifetime that is none', ['v', '--ttl-ms', '1h'], "--ttl-ms is '1h'"],
  ])('refuses %s', async (_, args, message) => {
    const { code, out, error } = await dkv(['put', 'k', ...args]);
    expect([code, out, node.requests]).toEqual([EXIT.usage, '', []]);
    expect(error).toContain(message);
  });

  it('refuses more than the largest value before it is all in memory', async () => {
    const { code, error } = await dkv(['put', 'k', '-'], { input: new Uint8Array(64 * 2 ** 20 + 1) });
    expect([code, node.requests]).toEqual([EXIT.usage, []]);
    expect(error).toContain('what is piped in cannot be taken as a value: it has more than 67108864 bytes');
  });
});

describe('dkv rm', () => {
  it('tells whether there was a value', async () => {
    expect(await dkv(['rm', 'k'])).toMatchObject({ code: EXIT.done, out: 'Removed.\n' });
    node.replies['DELETE /kv/k'] = { body: { removed: false } };
    expect(await dkv(['rm', 'k'])).toMatchObject({ code: EXIT.done, out: 'There was no value.\n' });
    expect(JSON.parse((await dkv(['rm', 'k', '--json'])).out)).toEqual({ removed: false });
    expect(node.requests[0]).toMatchObject({
      method: 'DELETE',
      url: '/kv/k?namespace=default',
      body: undefined,
    });
  });

  it('removes a version alone where that is asked for', async () => {
    const message = 'Key "k" was expected to have version 1 and has version 2.';
    node.replies['DELETE /kv/k'] = { status: 409, body: { code: 'DKV_CONFLICT', message, current: null } };
    const { code, error } = await dkv(['rm', 'k', '--if-version', '1', '--namespace', 'n']);
    expect([code, error]).toEqual([EXIT.conflict, `error: ${node.url}: DKV_CONFLICT: ${message}\n`]);
    expect(node.requests[0]!.url).toBe('/kv/k?namespace=n&ifVersion=1');
  });
});

it.each(['get', 'put', 'rm'])('dkv %s refuses what can be no key', async (command) => {
  const { code, error } = await dkv([command, '', ...(command === 'put' ? ['v'] : [])]);
  expect([code, error, node.requests]).toEqual([EXIT.usage, 'error: A key must not be empty.\n', []]);
});
