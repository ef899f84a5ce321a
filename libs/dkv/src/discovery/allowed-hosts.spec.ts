/** Hosts that nodes may have: by default, and by patterns. */
import { describe, expect, it } from 'vitest';
import { AllowedHosts, areHostPatterns } from './allowed-hosts.js';

describe('without patterns', () => {
  const hosts = new AllowedHosts(undefined);

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fd00::1',
    'localhost',
    'app-0',
    'app_1',
    'app-0.app-peers.default.svc.cluster.local',
    'app-0.app-peers.default.svc.cluster.local.',
    'APP.internal',
    'node1.localhost',
    'app.service.consul',
  ])('%s is allowed', (host) => expect(hosts.allow(host)).toBe(true));

  it.each([
    '169.254.169.254',
    'fe80::1',
    '8.8.8.8',
    '172.32.0.1',
    '2001:db8::1',
    '0.0.0.0',
    '::',
    '::ffff:8.8.8.8',
    'example.org',
    'app.local.example.org',
    'local',
    '',
    '.',
    '.local',
    'a..local',
    'a b.local',
    'app:7000',
    'user@app',
    'app/path',
    '127.1',
    '0x7f000001',
    `${'a'.repeat(64)}.local`,
    `${'a.'.repeat(130)}local`,
  ])('%s is not, unless it is a name without a dot', (host) => {
    expect(hosts.allow(host)).toBe(host === 'local');
  });
});

describe('with patterns', () => {
  const hosts = new AllowedHosts([
    '203.0.113.0/24',
    '2001:db8::/32',
    '198.51.100.7',
    '*.example.org',
    'Db.Example.com',
  ]);

  it.each([
    '203.0.113.9',
    '2001:db8::9',
    '198.51.100.7',
    'a.example.org',
    'A.B.EXAMPLE.ORG',
    'db.example.com',
  ])('%s is allowed', (host) => expect(hosts.allow(host)).toBe(true));

  it.each([
    '203.0.114.9',
    '198.51.100.8',
    '10.0.0.1',
    '127.0.0.1',
    'localhost',
    'example.org',
    'badexample.org',
    'a.db.example.com',
  ])('%s is not', (host) => expect(hosts.allow(host)).toBe(false));
});

it.each<[unknown, boolean]>([
  [['10.0.0.0/8', '*.local', 'app', 'fd00::/8'], true],
  [[], false],
  ['10.0.0.0/8', false],
  [['10.0.0.0/33'], false],
  [['10.0.0.0/8/8'], false],
  [['10.0.0.0/'], false],
  [['*'], false],
  [['a.*.local'], false],
  [[/local/], false],
])('patterns are a list of networks and names: %j', (patterns, right) => {
  expect(areHostPatterns(patterns)).toBe(right);
});
