/** Tells whether a header of a request has a key, in a time that does not depend on how much of it was right. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type IncomingHttpHeaders } from 'node:http';

export class KeyHeader {
  /** Random, so that digests are worth nothing outside this process. */
  private readonly secret = randomBytes(32);
  private readonly expected: Buffer;

  constructor(
    readonly name: string,
    key: string,
  ) {
    if (!key) {
      throw new TypeError(`The key of ${name} must not be empty.`);
    }
    this.expected = this.digest(key);
  }

  /** A header that is sent twice is not a key. */
  isRightIn(headers: IncomingHttpHeaders): boolean {
    const header = headers[this.name.toLowerCase()];
    // Digests have one length; timingSafeEqual throws on two.
    return timingSafeEqual(this.digest(typeof header === 'string' ? header : ''), this.expected);
  }

  private digest(text: string): Buffer {
    return createHmac('sha256', this.secret).update(text).digest();
  }
}
