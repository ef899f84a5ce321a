/** The option `tls`: its forms, and what is found wrong with certificates before a peer refuses them. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { caught } from '../testing/caught.js';
import { certificatesOf, issue, type Issued } from '../testing/certificates.js';
import { resolveOptions } from './dkv.options.js';
import { type RemoteKvRepo } from './ports/remote-kv-repo.js';
import { type Controller } from './ports/controller.js';

const folder = mkdtempSync(join(tmpdir(), 'dkv-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const authority = issue('the CA');
const between = issue('between', { issuer: authority, isCa: true });
const stranger = issue('another CA');
const good = certificatesOf(authority);
const below = issue('a node', { issuer: between });
const pemOf = ({ key, cert }: Issued, ca = authority.cert) => ({ key, cert, ca });

/** The lines of keys without which none of them can be told. */
const secrets = [good.key, below.key].map((key) => String(key).split('\n')[1]!);

const resolved = (tls: unknown) => resolveOptions({ tls } as never);
function complaint(tls: unknown): string {
  const error = caught(() => resolved(tls));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  for (const secret of secrets) {
    expect(error.message).not.toContain(secret);
  }
  return error.message;
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('tls is taken', () => {
  const pinned = issue('a node', { isCa: false });
  const old = issue('an old CA', { until: '20210101' });

  it.each<[string, unknown]>([
    ['as PEM text', good],
    ['as Buffers', { key: Buffer.from(good.key), cert: Buffer.from(good.cert), ca: Buffer.from(good.ca) }],
    ['as a function', () => good],
    ['with the intermediate certificate', { key: below.key, cert: below.cert + between.cert, ca: good.ca }],
    ['with the intermediate certificate in ca', pemOf(below, between.cert + authority.cert)],
    ['with several CAs, one of them run out', { ...good, ca: old.cert + stranger.cert + authority.cert }],
    ['with a certificate that is its own CA', pemOf(pinned, pinned.cert)],
    ['with text around the certificates', { ...good, cert: `subject=CN = a node\n${String(good.cert)}\n` }],
    ['for both purposes', pemOf(issue('n', { issuer: authority, purposes: ['client', 'server'] }))],
    ['with the key as openssl ecparam prints it', { ...good, key: sec1(good.key) }],
  ])('%s', (_, given) => {
    expect(resolved(given).tls).toBe(given);
  });

  it('as the very same, files read', () => {
    const tls = {
      keyFile: file('tls.key', String(good.key)),
      certFile: file('tls.crt', String(good.cert)),
      caFile: file('ca.crt', String(good.ca)),
    };
    expect(resolved(tls).tls).toBe(tls);
  });

  it('as nothing', () => {
    expect(resolved(undefined)).not.toHaveProperty('tls');
    expect(resolved(null)).not.toHaveProperty('tls');
  });
});

describe('tls is refused, without its key being shown,', () => {
  it.each<[string, unknown]>([
    ['as a text', good.key],
    ['as true', true],
    ['as an empty object', {}],
    ['without ca', { key: good.key, cert: good.cert }],
    ['with something else in it', { ...good, passphrase: 'x' }],
    ['half of files', { key: good.key, certFile: 'tls.crt', caFile: 'ca.crt' }],
    ['with an empty path', { keyFile: '', certFile: 'tls.crt', caFile: 'ca.crt' }],
  ])('%s', (_, tls) => {
    expect(complaint(tls)).toContain('- tls: give { key, cert, ca } in PEM, a function');
  });

  const expired = issue('a node', { issuer: authority, until: '20210101' });
  const early = issue('a node', { issuer: authority, from: '20990101' });
  const forServers = issue('a node', { issuer: authority, purposes: ['server'] });
  const late = issue('a late CA', { until: '20210101' });
  const encrypted = createPrivateKey(good.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'hidden',
  });
  const weak = generateKeyPairSync('rsa', { modulusLength: 512 });

  it.each<[string, unknown, RegExp]>([
    [
      'with a key that is none',
      { ...good, key: 'x' },
      /tls\.key is no private key.*give PEM text, or the path/,
    ],
    ['with an encrypted key', { ...good, key: encrypted }, /tls\.key is no private key without a passphrase/],
    ['with a path as text', { ...good, cert: '/tls.crt' }, /tls\.cert is no certificate: .*certFile/],
    [
      'with key and cert in each other’s place',
      { ...good, key: good.cert, cert: good.key },
      /tls\.key.*\n.*tls\.cert/,
    ],
    ['with a torn ca', { ...good, ca: String(good.ca).slice(0, 90) }, /tls\.ca is no certificate/],
    ['with a damaged ca', { ...good, ca: String(good.ca).replace(/\n..../, '\nAAAA') }, /tls\.ca is no cert/],
    [
      'with the key of another',
      { ...good, key: below.key },
      /tls\.key is not the key of tls\.cert \(CN=a node\)/,
    ],
    ['with the CA first', { ...good, cert: authority.cert + String(good.cert) }, /own certificate first/],
    ['run out', pemOf(expired), /tls\.cert \(CN=a node\) is valid from .* to Jan {2}1 .*2021.*renew it/],
    ['not valid yet', pemOf(early), /is valid from Jan {2}1 .*2099/],
    ['for servers alone', pemOf(forServers), /tls\.cert .*server and client authentication/],
    [
      'of another CA',
      { ...good, ca: stranger.cert },
      /issued by CN=the CA.*leads to tls\.ca \(CN=another CA\)/,
    ],
    ['of another CA of the same name', { ...good, ca: issue('the CA').cert }, /nothing leads to tls\.ca/],
    ['without the intermediate', pemOf(below), /issued by CN=between.*whatever is between/],
    ['without the root', pemOf(below, between.cert), /give the certificate of the root CA/],
    [
      'of a CA that has run out',
      pemOf(issue('a node', { issuer: late }), late.cert),
      /by way of CN=a late CA alone, not valid at this time/,
    ],
    [
      'with a key of another kind',
      { ...good, key: weak.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
      /tls\.key is not the key of/,
    ],
    ['as a function that gives a promise', async () => good, /tls is a function that gave something else/],
    ['as a function that gives half', () => ({ key: good.key }), /let it return { key, cert, ca } at once/],
    [
      'as a function that fails and quotes the key',
      () => JSON.parse(secrets[0]!) as never,
      /tls is a function that failed \(SyntaxError; no more is shown here\)/,
    ],
    ['as a function of wrong ones', () => ({ ...good, ca: stranger.cert }), /tls\(\)\.cert .* tls\(\)\.ca/],
  ])('%s', (_, tls, remedy) => {
    expect(complaint(tls)).toMatch(remedy);
  });

  it('from files that cannot be read, or hold something else, by their paths', () => {
    const tls = {
      keyFile: file('one.key', String(good.key)),
      certFile: file('one.crt', 'nothing'),
      caFile: file('one-ca.crt', String(good.ca)),
    };
    expect(complaint(tls)).toContain(`- tls.certFile "${tls.certFile}" is no certificate`);
    expect(complaint({ ...tls, caFile: join(folder, 'none') })).toMatch(
      /- tls\.caFile is ".*none", which cannot be read \(ENOENT\): give the path/,
    );
  });

  it('bound to node ids where it is of another node, or in a form that cannot be', () => {
    const bound = { ...certificatesOf(authority, 'node1'), bindNodeId: true };
    const as = (nodeId: string | undefined, tls: unknown) => resolveOptions({ nodeId, tls } as never);
    expect(as('node1', bound).tls).toBe(bound);
    for (const nodeId of ['node10', undefined]) {
      expect(caught(() => as(nodeId, bound)).message).toMatch(
        /- tls\.cert is not of node .*, and tls\.bindNodeId is true: have it issued with the nodeId as common name/,
      );
      expect(as(nodeId, { ...bound, bindNodeId: false }).nodeId).toBe(nodeId);
    }
    expect(complaint({ ...bound, bindNodeId: 'yes' })).toContain('bindNodeId, true or false');
    expect(complaint(() => bound)).toContain('tls is a function that gave something else');
  });

  it('beside a transport of one’s own, which it would not reach', () => {
    const remoteKvRepo = { send() {}, close() {} } as unknown as RemoteKvRepo;
    const controller = { start() {}, stop() {} } as unknown as Controller;
    const error = caught(() => resolveOptions({ tls: good, remoteKvRepo, controller }));
    expect(error.message).toContain('tls is not for a remoteKvRepo and controller of your own');
  });
});

function sec1(key: string | Buffer): string {
  const text = createPrivateKey(key).export({ type: 'sec1', format: 'pem' }).toString();
  return `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${text}`;
}
