/** Versions: hybrid logical time as text whose plain string order is the version order. */
import { DkvError } from '../dkv.errors.js';
import { hex12, hex4, hex8 } from './hex.js';

/**
 * `pppppppppppp-cccc-nodeId!bbbbbbbb`: physical milliseconds (12 hex digits), counter (4), node id, boot
 * number of that node (8). Equal widths and a separator below every character of a node id make the plain
 * string order (`<`) the order of (physical ms, counter, node id, boot). Source: Kulkarni et al., Logical
 * Physical Clocks (2014).
 */
export type Version = string;

export interface VersionParts {
  /** Milliseconds since 1970, at most 2^48 - 1. */
  readonly physicalMs: number;
  /** 0 to 65535. */
  readonly counter: number;
  readonly nodeId: string;
  /** How often that node had started when it stamped this; 0 to 2^32 - 1. */
  readonly boot: number;
}

export const COUNTER_MAX = 0xffff;
export const NODE_ID_PATTERN = /^[A-Za-z0-9._-]{1,100}$/;
/** Below every version. */
export const NO_VERSION: Version = '';

const VERSION_PATTERN =
  /^[0-9a-f]{12}-[0-9a-f]{4}-[A-Za-z0-9._-]{1,100}![0-9a-f]{8}(\+[0-9a-f]{4}-[A-Za-z0-9._-]{1,100}![0-9a-f]{8})?$/;

export function formatVersion({ physicalMs, counter, nodeId, boot }: VersionParts): Version {
  return versionBy(stamperNamed(nodeId, boot), physicalMs, counter);
}

/** What all versions that a node stamps between two starts end with. */
export function stamperNamed(nodeId: string, boot: number): string {
  return `${nodeId}!${hex8(boot)}`;
}

export function versionBy(stamper: string, physicalMs: number, counter: number): Version {
  return `${hexOfMs(physicalMs)}-${hex4(counter)}-${stamper}`;
}

/** Thousands are stamped in a second, many of them in the same millisecond. */
const lastMs = { physicalMs: -1, hex: '' };

function hexOfMs(physicalMs: number): string {
  if (physicalMs !== lastMs.physicalMs) {
    lastMs.physicalMs = physicalMs;
    lastMs.hex = hex12(physicalMs);
  }
  return lastMs.hex;
}

/** The version of a join made at node `nodeId` in its start `boot`: right above `newer`. */
export function joinVersion(newer: Version, nodeId: string, boot: number): Version {
  const [written = newer, join] = newer.split('+');
  const count = join === undefined ? 0 : Number.parseInt(join.slice(0, 4), 16) + 1;
  if (count > COUNTER_MAX) {
    throw new DkvError(
      'DKV_PROTOCOL',
      `Version ${written} was joined ${count} times: is the merger idempotent?`,
    );
  }
  return `${written}+${hex4(count)}-${stamperNamed(nodeId, boot)}`;
}

/** What was stamped when the value was written. @throws DkvError `DKV_PROTOCOL` when `version` is not well formed. */
export function parseVersion(version: Version): VersionParts {
  if (!isVersion(version)) {
    throw new DkvError('DKV_PROTOCOL', `Not a version: ${JSON.stringify(version).slice(0, 80)}`);
  }
  const separator = version.indexOf('!');
  return {
    physicalMs: physicalMsOf(version),
    counter: counterOf(version),
    nodeId: version.slice(18, separator),
    boot: Number.parseInt(version.slice(separator + 1, separator + 9), 16),
  };
}

export function isVersion(value: unknown): value is Version {
  return typeof value === 'string' && VERSION_PATTERN.test(value);
}

/** The node that stamped the written value, with its boot number: versions of one stamper are in its own order. */
export function stamperOf(version: Version): string {
  return version.slice(18).split('+', 1)[0]!;
}

/** Milliseconds since 1970 at which `version` was stamped. */
export function physicalMsOf(version: Version): number {
  return Number.parseInt(version.slice(0, 12), 16);
}

export function counterOf(version: Version): number {
  return Number.parseInt(version.slice(13, 17), 16);
}
