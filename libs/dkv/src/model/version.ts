/** Versions: hybrid logical time as text whose plain string order is the version order. */
import { DkvError } from '../dkv.errors.js';
import { areDigits, hex12, hex4, numberIn } from './hex.js';

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

/** Where its parts begin. */
const COUNTER_AT = 13;
const NODE_ID_AT = 18;
const NODE_ID_LENGTH_MAX = 100;
/** Of what a join adds: its count, and the dash after it. */
const JOIN_COUNT_LENGTH = 5;
const BOOT_LENGTH = 8;
const DASH = 45;
const PLUS = 43;
const BANG = 33;

export function formatVersion({ physicalMs, counter, nodeId, boot }: VersionParts): Version {
  return versionBy(stamperNamed(nodeId, boot), physicalMs, counter);
}

/** What all versions that a node stamps in one life end with. */
export function stamperNamed(nodeId: string, boot: number): string {
  return `${nodeId}!${boot.toString(16).padStart(BOOT_LENGTH, '0')}`;
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
    nodeId: version.slice(NODE_ID_AT, separator),
    boot: Number.parseInt(version.slice(separator + 1, separator + 9), 16),
  };
}

/** As many as thirty are looked at for one write: a regular expression took a tenth of the time of a whole message. */
export function isVersion(value: unknown): value is Version {
  if (typeof value !== 'string' || !areDigits(value, 0, COUNTER_AT - 1)) {
    return false;
  }
  const countEnd = NODE_ID_AT - 1;
  if (value.charCodeAt(COUNTER_AT - 1) !== DASH || !areDigits(value, COUNTER_AT, countEnd)) {
    return false;
  }
  const end = value.charCodeAt(countEnd) === DASH ? stamperEnd(value, NODE_ID_AT) : -1;
  if (end < 0 || end === value.length) {
    return end > 0;
  }
  const joinAt = end + 1;
  const nodeIdAt = joinAt + JOIN_COUNT_LENGTH;
  return (
    value.charCodeAt(end) === PLUS &&
    areDigits(value, joinAt, nodeIdAt - 1) &&
    value.charCodeAt(nodeIdAt - 1) === DASH &&
    stamperEnd(value, nodeIdAt) === value.length
  );
}

/** The end of the `nodeId!boot` that begins at `at`; -1 where none does. */
function stamperEnd(text: string, at: number): number {
  let bang = at;
  while (isOfNodeId(text.charCodeAt(bang))) {
    bang++;
  }
  const end = bang + 1 + BOOT_LENGTH;
  const isOne =
    bang > at &&
    bang <= at + NODE_ID_LENGTH_MAX &&
    text.charCodeAt(bang) === BANG &&
    areDigits(text, bang + 1, end);
  return isOne ? end : -1;
}

/** As NODE_ID_PATTERN says; past the end of a text there is NaN. */
function isOfNodeId(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    code === DASH ||
    code === 46 ||
    code === 95
  );
}

/** The node that stamped the written value, with its boot number: versions of one stamper are in its own order. */
export function stamperOf(version: Version): string {
  return version.slice(NODE_ID_AT).split('+', 1)[0]!;
}

/** Milliseconds since 1970 at which `version` was stamped. */
export function physicalMsOf(version: Version): number {
  return numberIn(version, 0, COUNTER_AT - 1);
}

export function counterOf(version: Version): number {
  return numberIn(version, COUNTER_AT, NODE_ID_AT - 1);
}
