/** Which key opens what, and that nothing else does. */
import { describe, expect, it } from 'vitest';
import { PortKeys } from './port-keys.js';

const API = { 'x-api-key': 'the api key' };
const ADMIN = { 'x-admin-key': 'the admin key' };
const NONE = {};
const WRONG = { 'x-api-key': 'the admin key', 'x-admin-key': 'the api key' };

const PATHS = [
  '/admin',
  '/admin/cluster',
  '/admin?a=b',
  '/kv',
  '/kv/k',
  '/kv?a=b',
  '/peer/get',
  '/',
  '/administer',
  '/kvs',
];

const opened = (keys: PortKeys, headers: Record<string, string | string[]>) =>
  PATHS.filter((path) => keys.refusalOf(path, headers as Record<string, string>) === undefined);

describe('of a node with both keys', () => {
  const keys = new PortKeys('the api key', 'the admin key');

  it.each([
    ['the api key', API, ['/kv', '/kv/k', '/kv?a=b', '/peer/get', '/', '/administer', '/kvs']],
    ['the admin key', ADMIN, ['/admin', '/admin/cluster', '/admin?a=b', '/kv', '/kv/k', '/kv?a=b']],
    ['both', { ...API, ...ADMIN }, PATHS],
    ['none', NONE, []],
    ['each in the place of the other', WRONG, []],
    ['the admin key twice', { 'x-admin-key': ['the admin key', 'the admin key'] }, []],
  ])('%s opens so much', (_, headers, paths) => {
    expect(opened(keys, headers)).toEqual(paths);
  });

  it('names the header that is missing', () => {
    expect(keys.refusalOf('/admin/cluster', API)).toMatchObject({
      code: 'DKV_FORBIDDEN',
      message: 'The header X-Admin-Key is missing or wrong.',
    });
    expect(keys.refusalOf('/peer/get', ADMIN)).toMatchObject({
      code: 'DKV_FORBIDDEN',
      message: 'The header X-Api-Key is missing or wrong.',
    });
  });

  it('knows whoever shows one of them', () => {
    expect([API, ADMIN, NONE, WRONG].map((headers) => keys.isKnown(headers))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([API, ADMIN].map((headers) => keys.isPeer(headers))).toEqual([true, false]);
  });
});

it('of a node without an admin key, /admin is closed to everybody, and says which option opens it', () => {
  const keys = new PortKeys('the api key');
  expect(opened(keys, { ...API, 'x-admin-key': '' })).toEqual(opened(keys, API));
  for (const headers of [NONE, API, ADMIN, { 'x-admin-key': '' }]) {
    expect(keys.refusalOf('/admin/cluster', headers)).toMatchObject({
      code: 'DKV_FORBIDDEN',
      message: expect.stringContaining('option adminKey') as string,
    });
  }
});

it('of a node with two api keys, each opens what one does, and no third', () => {
  const keys = new PortKeys(['the old key', 'the api key'], 'the admin key');
  const one = new PortKeys('the api key', 'the admin key');
  expect(opened(keys, { 'x-api-key': 'the old key' })).toEqual(opened(one, API));
  expect(opened(keys, API)).toEqual(opened(one, API));
  expect(opened(keys, { 'x-api-key': 'the old keythe api key' })).toEqual([]);
  expect(opened(keys, NONE)).toEqual([]);
});

it('of a node that is open, everybody is a peer, and nobody an operator', () => {
  const keys = new PortKeys('', 'the admin key', true);
  expect(opened(keys, NONE)).toEqual(PATHS.filter((path) => !/^\/admin(?!i)/.test(path)));
  expect(keys.isPeer(NONE)).toBe(true);
});

it('of a node without an api key, nobody is a peer', () => {
  const keys = new PortKeys('', 'the admin key');
  expect(opened(keys, { 'x-api-key': '' })).toEqual([]);
  expect(keys.isPeer({ 'x-api-key': '' })).toBe(false);
  expect(opened(keys, ADMIN)).toContain('/admin/cluster');
});
