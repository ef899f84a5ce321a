/** Text of others that a terminal shows and does not obey. */

/** What moves the cursor, changes colours or hides text: control characters but tab and line feed, and marks of direction. */
const UNPRINTABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The same text with what a terminal would obey in the notation of JSON. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether there is nothing to escape. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) < 0;
}
