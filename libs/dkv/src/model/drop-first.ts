/** Removes the first elements of an array that others are soon pushed to. */

/** The array keeps its room: after `splice`, V8 would have the next push take new memory, for 17 elements at least. */
export function dropFirst(array: unknown[], count: number): void {
  const left = array.length - count;
  for (let at = 0; at < left; at++) {
    array[at] = array[at + count];
  }
  array.length = left;
}
