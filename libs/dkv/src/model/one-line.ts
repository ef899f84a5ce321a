/** Text for a log, where a line is an entry: whatever a stranger, a peer or a service put into it, it stays one line. */

/** Controls, what Unicode ends a line with, and what turns the direction of text round. */

const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** With each of those as `\u` and its number, as JSON has it. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The stack of an error, or what else was thrown, without line breaks between the calls. */
export function stackInLine(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return oneLine(text.replace(/\n\s+at /g, ' | at '));
}
