/** The default hash of keys: MD5, as in the class model this library follows. */
import { hash as digest } from 'node:crypto';
import { type HashFunc } from '../ports/hash-func.js';

/**
 * The first four bytes of the MD5 digest (RFC 1321), big endian. Chosen for its even spread, not for secrecy.
 * Throws where OpenSSL forbids MD5 (FIPS mode): take the xxHash function there.
 */
export const md5HashFunc: HashFunc = Object.freeze({
  name: 'md5',
  // Hex, not a Buffer: half the time of a call (0.7 against 1.5 µs, Node 20).
  hash: (bytes: Uint8Array) => Number.parseInt(digest('md5', bytes, 'hex').slice(0, 8), 16),
});
