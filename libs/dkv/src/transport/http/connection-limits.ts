/** How many connections the peer port may hold: a share of what the process may open, so that storage has the rest. */
import { readFile } from 'node:fs/promises';

export interface ConnectionLimits {
  /** Open at a time; more are refused. */
  readonly max: number;
  /** Of these, those that have shown no key; past it the oldest of them goes. */
  readonly keylessMax: number;
  /** How long a connection may be open without having shown a key. */
  readonly keylessTimeoutMs: number;
}

/** Where the system does not say: macOS and Windows give a process more than that. */
const DESCRIPTORS_ELSEWHERE = 4096;
/** No cluster has more peers and scripts; each costs a socket and some 20 KiB. */
const CONNECTIONS_MAX = 4096;
/** More than connect in the time that it takes to send a request. */
const KEYLESS_MAX = 256;
/** A peer sends its key with the first bytes: a round trip, and a handshake of TLS, on a slow day. */
const KEYLESS_TIMEOUT_MS = 5000;

/**
 * Half of `descriptors` at most, a sixteenth for those without a key: files of the store, connections to others and the
 * application have the rest. 1,100 connections without a key, at a limit of 1,000 descriptors, once made RocksDB fail
 * with EMFILE, which nobody recovers from.
 */
export function connectionLimits(descriptors: number): ConnectionLimits {
  const max = Math.max(8, Math.min(CONNECTIONS_MAX, Math.floor(descriptors / 2)));
  return {
    max,
    keylessMax: Math.max(4, Math.min(KEYLESS_MAX, Math.floor(max / 8))),
    keylessTimeoutMs: KEYLESS_TIMEOUT_MS,
  };
}

/** The soft limit of this process; Node raises it to the hard one when it starts. */
export async function descriptorsMax(): Promise<number> {
  try {
    return descriptorsIn(await readFile('/proc/self/limits', 'utf8'));
  } catch {
    return DESCRIPTORS_ELSEWHERE;
  }
}

/** `limits` as Linux tells them. */
export function descriptorsIn(limits: string): number {
  const [, soft = ''] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  return soft === 'unlimited' ? Infinity : Number(soft) || DESCRIPTORS_ELSEWHERE;
}
