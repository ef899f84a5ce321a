/** Looks at how much there is in a JSON text, before anything is built of it. */
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;

/**
 * Whether `json` has at most `max` values, and so is at most that deep: each object, each array and each value after the first
 * of one has a character of its own, outside of texts. Of what is no JSON, nothing can be said and the parser says the rest.
 *
 * A body of a megabyte can be 700,000 empty arrays: to build them, and to look for a field among them, holds up the event loop
 * for a second.
 */
export function hasFewValues(json: string, max: number): boolean {
  let values = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (isText) {
      if (character === BACKSLASH) {
        at++;
      } else if (character === QUOTE) {
        isText = false;
      }
    } else if (character === QUOTE) {
      isText = true;
    } else if (character === COMMA || character === OPEN_BRACE || character === OPEN_BRACKET) {
      values++;
      if (values > max) {
        return false;
      }
    }
  }
  return true;
}
