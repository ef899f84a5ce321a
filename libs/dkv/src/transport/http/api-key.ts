/** Tells whether who asks knows the api key, in a time that does not depend on how much of it was right. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export class ApiKey {
  /** Random, so that digests are worth nothing outside this process. */
  private readonly secret = randomBytes(32);
  private readonly expected: Buffer;

  constructor(apiKey: string) {
    if (!apiKey) {
      throw new TypeError('apiKey must not be empty.');
    }
    this.expected = this.digest(apiKey);
  }

  /** `header` as Node gives it; sent twice, it is not a key. */
  matches(header: string | readonly string[] | undefined): boolean {
    // Digests have one length; timingSafeEqual throws on two.
    return timingSafeEqual(this.digest(typeof header === 'string' ? header : ''), this.expected);
  }

  private digest(text: string): Buffer {
    return createHmac('sha256', this.secret).update(text).digest();
  }
}
