/** Tells whether a header of a request has one of the keys, in a time that does not depend on how much of it was right. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type IncomingHttpHeaders } from 'node:http';

export class KeyHeader {
  /** Random, so that digests are worth nothing outside this process. */
  private readonly secret = randomBytes(32);
  private readonly expected: readonly Buffer[];

  constructor(
    readonly name: string,
    keys: readonly string[],
  ) {
    if (keys.some((key) => !key)) {
      throw new TypeError(`A key of ${name} must not be empty.`);
    }
    this.expected = keys.map((key) => this.digest(key));
  }

  /** A header that is sent twice is not a key. */
  isRightIn(headers: IncomingHttpHeaders): boolean {
    const header = headers[this.name.toLowerCase()];
    const digest = this.digest(typeof header === 'string' ? header : '');
    // Digests have one length; timingSafeEqual throws on two.
    return this.expected.some((expected) => timingSafeEqual(digest, expected));
  }

  private digest(text: string): Buffer {
    return createHmac('sha256', this.secret).update(text).digest();
  }
}
