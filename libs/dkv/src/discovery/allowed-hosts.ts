/** Which hosts a node may have: an address that a discovery service tells is sent this cluster's key. */
import { BlockList, isIP, isIPv4 } from 'node:net';

/** Loopback and private addresses, and host names that no public zone has; beside them any name without a dot. */
const PRIVATE_HOSTS: readonly string[] = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '::1',
  'fc00::/7',
  '*.localhost',
  '*.local',
  '*.internal',
  '*.consul',
];
/** What a host pattern may be, for people. */
export const HOST_PATTERNS =
  "give a list of addresses, networks ('10.0.0.0/8'), host names and patterns of these ('*.example.org')";

const LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
const NAME = new RegExp(`^${LABEL}(\\.${LABEL})*\\.?$`, 'i');

export function areHostPatterns(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isHostPattern);
}

export class AllowedHosts {
  private readonly networks = new BlockList();
  private readonly names = new Set<string>();
  private readonly suffixes: string[] = [];
  private readonly allowsShort: boolean;

  /** @param given as {@link areHostPatterns} says */
  constructor(given: readonly string[] | undefined) {
    this.allowsShort = given === undefined;
    const patterns = given ?? PRIVATE_HOSTS;
    for (const pattern of patterns) {
      const network = networkOf(pattern);
      if (network) {
        this.networks.addSubnet(network.address, network.bits, network.family);
      } else if (pattern.startsWith('*.')) {
        this.suffixes.push(pattern.slice(1).toLowerCase());
      } else {
        this.names.add(pattern.toLowerCase());
      }
    }
  }

  /** @param host an address, or a host name; anything else is not allowed */
  allow(host: string): boolean {
    if (isIP(host)) {
      return this.networks.check(host, familyOf(host));
    }
    const name = host.toLowerCase().replace(/\.$/, '');
    if (!isName(host)) {
      return false;
    }
    const isShort = this.allowsShort && !name.includes('.');
    return isShort || this.names.has(name) || this.suffixes.some((suffix) => name.endsWith(suffix));
  }
}

function isHostPattern(value: unknown): boolean {
  return typeof value === 'string' && (networkOf(value) !== undefined || isName(value.replace(/^\*\./, '')));
}

function isName(host: string): boolean {
  // All digits and dots is an address that is none: resolvers read some of these as one.
  return host.length <= 253 && NAME.test(host) && !/^[\d.]+$|^0x/i.test(host);
}

function networkOf(pattern: string): { address: string; bits: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', length, ...more] = pattern.split('/');
  if (!isIP(address) || more.length > 0) {
    return undefined;
  }
  const most = isIPv4(address) ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  const isLength = length === undefined || /^\d{1,3}$/.test(length);
  return isLength && bits <= most ? { address, bits, family: familyOf(address) } : undefined;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}
