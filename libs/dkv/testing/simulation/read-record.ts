/** Reads as the client does: from memory where that can be said without waiting. */
import { type ShownRecord } from '../../src/model/shown-record.js';
import { type ReadOptions } from '../../src/processor/call-options.js';
import { type Processor } from '../../src/processor/processor.js';

export async function readRecord(
  processor: Processor,
  namespace: string,
  key: string,
  options: ReadOptions,
): Promise<ShownRecord | undefined> {
  const hot = options.level === 'one' ? processor.peek(namespace, key) : undefined;
  return hot === undefined ? processor.get(namespace, key, options) : (hot ?? undefined);
}
