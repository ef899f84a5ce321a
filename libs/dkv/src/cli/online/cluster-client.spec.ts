/** Who is asked, by what right, for how long; and what is said where nobody answers as a node does. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { certificatesOf, issue } from '../../../testing/certificates.js';
import { runShell, type ShellOptions } from '../../../testing/cli/captured-terminal.js';
import { sampleCluster } from '../../../testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../../testing/cli/stand-in-node.js';
import { freePort } from '../../../testing/free-port.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { EXIT } from '../exit-codes.js';

let node: StandInNode;
let clock: ManualClock;
let folder: string;
const others: StandInNode[] = [];

beforeEach(async () => {
  node = await new StandInNode().start();
  node.replies['GET /admin/cluster'] = { body: sampleCluster() };
  clock = new ManualClock();
  folder = await mkdtemp(join(tmpdir(), 'dkv-cli-'));
});

afterEach(async () => {
  await Promise.all([node, ...others.splice(0)].map((one) => one.stop()));
  await rm(folder, { recursive: true, force: true });
});

const withKey = () => ({ DKV_ADMIN_KEY: ADMIN_KEY });
const dkv = (args: readonly string[], env: ShellOptions['env'] = { DKV_URL: node.url, ...withKey() }) =>
  runShell(args, { env, clock });

async function anotherNode(tls?: ConstructorParameters<typeof StandInNode>[0]): Promise<StandInNode> {
  const other = await new StandInNode(tls).start();
  others.push(other);
  other.replies['GET /admin/cluster'] = { body: sampleCluster({ answeredBy: 'other' }) };
  return other;
}

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const answeredBy = (out: string) => (JSON.parse(out) as { answeredBy: string }).answeredBy;

describe('what is needed', () => {
  it('comes from options, from the environment, and the key from a file', async () => {
    const keyFile = await file('key', `${ADMIN_KEY}\n`);
    const runs = [
      await dkv(['status', '--url', node.url, '--admin-key-file', keyFile], {}),
      await dkv(['status', '--url', node.url, '--admin-key', ADMIN_KEY], { DKV_ADMIN_KEY: 'another' }),
      await dkv(['status'], { DKV_URL: node.url, DKV_ADMIN_KEY_FILE: keyFile, DKV_TIMEOUT: '5' }),
      await dkv(['status', '--admin-key-file', keyFile], { DKV_URL: node.url, DKV_ADMIN_KEY: 'another' }),
    ];
    expect(runs.map(({ code, error }) => [code, error])).toEqual(runs.map(() => [EXIT.done, '']));
    expect(node.requests.map(({ key }) => key)).toEqual(runs.map(() => ADMIN_KEY));
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, readonly string[], string]>([
    ['no address', ['--url', ''], 'error: no address is given. Give --url http://host:7000'],
    ['an address without a protocol', ['--url', 'node1:7000'], "error: the address 'node1:7000' is none"],
    ['a path', ['--url', 'http://node1:7000/kv'], 'is none: give http://host:port'],
    [
      'two protocols',
      ['--url', 'http://a:1,https://b:1'],
      'some of the addresses are http:// and some https://',
    ],
    ['no key', ['--admin-key', ''], 'error: no admin key is given. Set DKV_ADMIN_KEY'],
    [
      'a key file that is not there',
      ['--admin-key-file', '/none'],
      '--admin-key-file is /none, which cannot be read (ENOENT)',
    ],
    [
      'a time that is none',
      ['--timeout', '5s'],
      "error: --timeout is '5s': give a whole number from 1 to 2147483647",
    ],
    ['a time of nothing', ['--timeout', '0'], "error: --timeout is '0'"],
    ['a certificate without its key', ['--cert', 'package.json'], '--cert and --cert-key go together'],
    ['a CA without encryption', ['--ca', 'package.json'], 'the address is http://. Give https://'],
    [
      'a CA that is none',
      ['--url', 'https://a:1', '--ca', 'package.json'],
      '--ca, --cert or --cert-key cannot be used (',
    ],
  ])('is named where it is missing or wrong: %s', async (_, args, message) => {
    const { code, out, error } = await dkv(['status', ...args]);
    expect([code, out]).toEqual([EXIT.usage, '']);
    expect(error).toContain(message);
    expect(node.requests).toEqual([]);
  });

  it('shows no key and no password', async () => {
    const key = 'secret\u0000key';
    const runs = [
      await dkv(['status', '--admin-key', key]),
      await dkv(['status', '--admin-key', 'secret wrong key']),
      await dkv(['status', '--url', 'http://me:secret@node1:7000']),
    ];
    expect(runs.map(({ code }) => code)).toEqual([EXIT.usage, EXIT.forbidden, EXIT.usage]);
    expect(runs.map(({ out, error }) => out + error).join('')).not.toContain('secret');
  });
});

describe('the first that answers', () => {
  it('is used, whichever are dead or silent before it', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    const silent = await anotherNode();
    silent.replies['GET /admin/cluster'] = 'hold';
    const asked = silent.nextRequest();
    const running = dkv(['status', '--json', '--url', `${dead}, ${silent.url},${node.url}`]);
    await asked;
    clock.advance(5_000);
    const { code, out, error } = await running;
    expect([code, error, answeredBy(out)]).toEqual([EXIT.done, '', 'a']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is all that is asked', async () => {
    const other = await anotherNode();
    const { out } = await dkv(['status', '--json', '--url', `${node.url},${other.url}`]);
    expect([answeredBy(out), other.requests]).toEqual(['a', []]);
  });

  it('may refuse: no other is tried', async () => {
    const other = await anotherNode();
    const { code, error } = await dkv([
      'status',
      '--url',
      `${node.url},${other.url}`,
      '--admin-key',
      'wrong',
    ]);
    expect([code, other.requests]).toEqual([EXIT.forbidden, []]);
    expect(error).toBe(
      `error: ${node.url}: DKV_FORBIDDEN: The header X-Admin-Key is missing or wrong. Give the key that the node has as ` +
        'option adminKey, by DKV_ADMIN_KEY or --admin-key-file.\n',
    );
  });

  it('where there is none, each is named with what was in the way', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    node.replies['GET /admin/cluster'] = 'hold';
    const asked = node.nextRequest();
    const running = dkv(['status', '--timeout', '700', '--url', `${dead},${node.url}`]);
    await asked;
    clock.advance(700);
    const { code, out, error } = await running;
    expect([code, out]).toEqual([EXIT.unreachable, '']);
    expect(error).toBe(
      'error: no node answered. See whether they run and can be reached from here, or give other addresses by --url.\n' +
        `  ${dead}: connect ECONNREFUSED ${dead.slice('http://'.length)}\n` +
        `  ${node.url}: no answer within 700 ms\n`,
    );
  });
});

describe('an answer', () => {
  it.each<[string, Parameters<typeof Object.assign>[0], string]>([
    ['of another server', { body: '<html>' }, 'answered with status 200, and not as a node'],
    ['of another version', { body: {} }, 'answered with status 200, and not as a node'],
    [
      'that leads elsewhere',
      { status: 302, headers: { Location: '/elsewhere' } },
      'answered with status 302',
    ],
    [
      'of a node without such routes',
      { status: 404, body: { code: 'ROUTE_NOT_FOUND', message: 'No.' } },
      'ask another one, or update it',
    ],
    [
      'that something failed',
      { status: 503, body: { code: 'DKV_NOT_READY', message: 'Not yet.' } },
      'DKV_NOT_READY: Not yet.\n',
    ],
  ])('is no report: %s', async (_, reply, message) => {
    node.replies['GET /admin/cluster'] = reply;
    const { code, out, error } = await dkv(['status']);
    expect([code, out]).toEqual([EXIT.failed, '']);
    expect(error).toContain(message);
    expect(error).not.toMatch(/\n\s+at /);
    expect(node.requests).toHaveLength(1);
  });

  it('is not taken whole where it has no end', async () => {
    node.replies['GET /admin/cluster'] = { body: ' '.repeat(96 * 2 ** 20 + 1) };
    const { code, error } = await dkv(['status']);
    expect(code).toBe(EXIT.unreachable);
    expect(error).toContain('the answer could not be read: it has more than 100663296 bytes');
  });

  it('that breaks off is none', async () => {
    node.replies['GET /admin/cluster'] = { body: '{', headers: { 'Content-Length': '5' } };
    const asked = node.nextRequest();
    const running = dkv(['status', '--timeout', '100']);
    await asked;
    node.endConnections();
    expect(await running).toMatchObject({ code: EXIT.unreachable, out: '' });
  });

  it('is shown without what a terminal would obey', async () => {
    node.replies['GET /admin/cluster'] = { status: 500, body: { code: 'INTERNAL', message: 'a\u001b[2J' } };
    expect((await dkv(['status'])).error).toBe(`error: ${node.url}: INTERNAL: a\\u001b[2J\n`);
  });
});

describe('a write', () => {
  const put = ['put', 'k', 'v'];

  it('goes to the next node where the one before cannot have had it', async () => {
    node.replies['POST /kv'] = { body: { key: 'k', version: '1', modified: 1 } };
    const dead = `http://127.0.0.1:${await freePort()}`;
    const { code } = await dkv([...put, '--url', `${dead},${node.url}`]);
    expect([code, node.requests.length, clock.pendingTimers]).toEqual([EXIT.done, 1, 0]);
  });

  it.each(['hold', 'break'] as const)('is not sent twice, and said to be unknown: %s', async (reply) => {
    const other = await anotherNode();
    node.replies['POST /kv'] = reply;
    const asked = node.nextRequest();
    const running = dkv([...put, '--url', `${node.url},${other.url}`]);
    await asked;
    clock.advance(5_000);
    const { code, error } = await running;
    expect([code, other.requests]).toEqual([EXIT.indeterminate, []]);
    expect(error).toContain('It was sent and may have taken effect: look, before you do it again.');
  });

  it.each<[string, number, number]>([
    ['DKV_INDETERMINATE', 504, EXIT.indeterminate],
    ['DKV_PEER_DISCONNECTED', 504, EXIT.indeterminate],
    ['DKV_NOT_APPLIED', 503, EXIT.failed],
    ['DKV_CONFLICT', 409, EXIT.conflict],
  ])('that a node answers with %s', async (name, status, exitCode) => {
    node.replies['POST /kv'] = { status, body: { code: name, message: 'why' } };
    const { code, error } = await dkv(put);
    expect([code, error]).toEqual([exitCode, `error: ${node.url}: ${name}: why\n`]);
  });
});

describe('with TLS', () => {
  const authority = issue('the CA');
  let secure: StandInNode;
  let own: { readonly ca: string; readonly args: readonly string[] };

  beforeEach(async () => {
    secure = await anotherNode({ ...certificatesOf(authority), requestCert: true, rejectUnauthorized: true });
    const { key, cert } = certificatesOf(authority, 'an operator');
    const ca = await file('ca.crt', authority.cert);
    own = {
      ca,
      args: ['--cert', await file('op.crt', String(cert)), '--cert-key', await file('op.key', String(key))],
    };
  });

  const status = (...args: readonly string[]) => dkv(['status', '--url', secure.url, ...args]);

  it('shows its certificate and takes that of the CA, whatever its name', async () => {
    const { code, error } = await status('--ca', own.ca, ...own.args);
    expect([code, error]).toEqual([EXIT.done, '']);
    const fromEnvironment = await dkv(['status'], {
      ...withKey(),
      DKV_URL: secure.url,
      DKV_CA: own.ca,
      DKV_CERT: own.args[1],
      DKV_CERT_KEY: own.args[3],
    });
    expect(fromEnvironment.code).toBe(EXIT.done);
  });

  it('sends nothing to a node whose certificate is not of the CA, and says what to give', async () => {
    const another = await file('another.crt', issue('another CA').cert);
    for (const args of [[], ['--ca', another]]) {
      const { code, error } = await status(...args, ...own.args);
      expect(code).toBe(EXIT.unreachable);
      expect(error).toContain('give the CA of the nodes by --ca');
    }
    expect(secure.requests).toEqual([]);
  });

  it('says what to give where the node asks for a certificate, also of a write, which it did not read', async () => {
    for (const args of [['status'], ['put', 'k', 'v']]) {
      const { code, error } = await dkv([...args, '--url', secure.url, '--ca', own.ca]);
      expect(code).toBe(EXIT.unreachable);
      expect(error).toContain('give a certificate of their CA by --cert and --cert-key');
    }
    expect(secure.requests).toEqual([]);
  });

  it.each([
    [
      'http:// where the node encrypts',
      () => secure.url.replace('https', 'http'),
      [],
      'where the nodes have the option tls, give https://',
    ],
    [
      'https:// where it does not',
      () => node.url.replace('http', 'https'),
      [],
      'it does not encrypt: give http://',
    ],
  ])('says so: %s', async (_, url, args, message) => {
    const { code, error } = await dkv(['status', '--url', url(), ...args]);
    expect(code).toBe(EXIT.unreachable);
    expect(error).toContain(message);
  });
});
