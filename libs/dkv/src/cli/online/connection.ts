/** Where a cluster is asked, and by what right: from options, the environment and files. */
import { type Command, Option } from 'commander';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { validateHeaderValue } from 'node:http';
import { createSecureContext } from 'node:tls';
import { ADMIN_KEY_HEADER } from '../../transport/messages/limits.js';
import { type CommandContext } from '../command-context.js';
import { CommandFailure } from '../command-failure.js';
import { EXIT } from '../exit-codes.js';
import { wholeNumberOf } from './whole-number.js';

const TIMEOUT_MS = 5_000;
/** As long as a timer can be. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
const GROUP =
  'Connection (each may come from the environment instead, as DKV_URL, DKV_ADMIN_KEY_FILE and so on):';

export interface ConnectionOptions {
  readonly url?: string;
  readonly adminKey?: string;
  readonly adminKeyFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly certKey?: string;
  /** As it was typed. */
  readonly timeout?: string;
}

export interface Connection {
  /** Tried in this order; one protocol for all. */
  readonly urls: readonly URL[];
  readonly adminKey: string;
  /** PEM. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Of a request and its whole answer. */
  readonly timeoutMs: number;
}

export function addConnectionOptions(command: Command): Command {
  const options = [
    new Option(
      '--url <addresses>',
      'http://host:7000 of a node; several with commas between: the first that answers',
    ),
    new Option('--admin-key-file <file>', 'holds the admin key (option adminKey of the nodes)'),
    new Option(
      '--admin-key <key>',
      'the key itself: other users of this machine can see it here, unlike in DKV_ADMIN_KEY',
    ),
    new Option('--ca <file>', 'the CA of the nodes in PEM, for https://'),
    new Option('--cert <file>', 'a certificate of that CA, to show to the nodes'),
    new Option('--cert-key <file>', 'the key of the certificate'),
    new Option('--timeout <ms>', `how long each request may take (default: ${TIMEOUT_MS})`),
  ];
  options.forEach((option) => command.addOption(option.helpGroup(GROUP)));
  return command;
}

/** @throws CommandFailure `usage` where something is missing or wrong; what it says shows no key */
export function connectionOf(options: ConnectionOptions, { terminal: { env } }: CommandContext): Connection {
  const url = options.url ?? env.DKV_URL;
  if (!url) {
    throw wrong('no address is given. Give --url http://host:7000, the peer port of a node, or set DKV_URL.');
  }
  const urls = url.split(',').map((one) => urlOf(one.trim()));
  const [{ protocol }] = urls as [URL];
  if (urls.some((one) => one.protocol !== protocol)) {
    throw wrong(
      'some of the addresses are http:// and some https://. Either all nodes encrypt or none does.',
    );
  }
  const ca = contentOf('--ca', options.ca ?? env.DKV_CA);
  const cert = contentOf('--cert', options.cert ?? env.DKV_CERT);
  const key = contentOf('--cert-key', options.certKey ?? env.DKV_CERT_KEY);
  if ((cert === undefined) !== (key === undefined)) {
    throw wrong('--cert and --cert-key go together: give both, or neither.');
  }
  if (protocol === 'http:' && (ca ?? cert) !== undefined) {
    throw wrong(
      'certificates are given, and the address is http://. Give https://, so that the admin key is encrypted.',
    );
  }
  const timeout = options.timeout ?? env.DKV_TIMEOUT;
  const timeoutMs = timeout ? wholeNumberOf('--timeout', timeout, 1, TIMEOUT_MS_MAX) : TIMEOUT_MS;
  const tls = { ca, cert, key };
  assertUsable(tls);
  return { urls, adminKey: adminKeyOf(options, env), tls, timeoutMs };
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && /^https?:$/.test(url.protocol) && url.pathname + url.search + url.hash === '/';
  if (!isPlain || url.username !== '' || url.password !== '') {
    // A password in it is not shown.
    throw wrong(
      `the address '${text.replace(/[^/]*@/, '…@')}' is none: give http://host:port or https://host:port.`,
    );
  }
  return url;
}

function adminKeyOf(
  { adminKey, adminKeyFile }: ConnectionOptions,
  env: CommandContext['terminal']['env'],
): string {
  const isGiven = adminKey !== undefined || adminKeyFile !== undefined;
  const fromEnvironment = env.DKV_ADMIN_KEY ?? keyIn(env.DKV_ADMIN_KEY_FILE);
  const key = isGiven ? (adminKey ?? keyIn(adminKeyFile)) : fromEnvironment;
  if (!key) {
    throw wrong(
      'no admin key is given. Set DKV_ADMIN_KEY, or give --admin-key-file: the key that the nodes have as option adminKey.',
    );
  }
  try {
    validateHeaderValue(ADMIN_KEY_HEADER, key);
  } catch {
    throw wrong('the admin key has characters that no header of HTTP can carry (it is not shown here).');
  }
  return key;
}

/** Editors and `echo` end a file with a line feed. */
function keyIn(path: string | undefined): string | undefined {
  return contentOf('--admin-key-file', path)?.replace(/\r?\n$/, '');
}

function contentOf(option: string, path: string | undefined): string | undefined {
  if (!path) {
    return undefined;
  }
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as { code?: unknown };
    throw wrong(`${option} is ${path}, which cannot be read (${String(code)}): give the path of a file.`);
  }
}

/** Of what is wrong with a key, OpenSSL shows nothing of it. */
function assertUsable(tls: Connection['tls']): void {
  try {
    [tls.ca, tls.cert].forEach((pem) => pem !== undefined && new X509Certificate(pem));
    createSecureContext(tls);
  } catch (error) {
    throw wrong(
      `--ca, --cert or --cert-key cannot be used (${(error as Error).message}): give files in PEM.`,
    );
  }
}

function wrong(message: string): CommandFailure {
  return new CommandFailure(EXIT.usage, message);
}
