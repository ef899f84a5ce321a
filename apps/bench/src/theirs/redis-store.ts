/** Redis as the load loop asks it: keys are strings, values Buffers, and no call is wrapped that need not be. */
import { type Redis } from 'ioredis';
import { keyOf, type Store } from '../load/store.js';

/** How long WAIT may block; a replica that does not answer in this time makes the write a failure. */
const WAIT_MS = 1_000;

export function redisStore(redis: Redis): Store {
  return {
    key: keyOf,
    read: (key) => redis.getBuffer(key),
    write: (key, value) => redis.set(key, value),
    // Not atomic: a SET of someone else in between is lost.
    readModifyWrite: async (key, value) => {
      await redis.getBuffer(key);
      return redis.set(key, value);
    },
  };
}

/**
 * Each write is followed by `WAIT 1`, in one pipeline. WAIT blocks its connection, so an operation takes a connection
 * of its own; only when there are more operations than connections they share.
 */
export function redisWaitStore(connections: readonly Redis[]): Store {
  const idle = [...connections];
  let turn = 0;
  const write = async (key: string, value: Buffer) => {
    const own = idle.pop();
    const redis = own ?? connections[turn++ % connections.length]!;
    try {
      const replies = await redis.pipeline().set(key, value).wait(1, WAIT_MS).exec();
      const [[setError] = [], [waitError, acknowledged] = []] = replies ?? [];
      const error = setError ?? waitError;
      if (error) {
        throw error;
      }
      if (!(Number(acknowledged) >= 1)) {
        throw new Error(`No replica acknowledged the write in ${WAIT_MS} ms.`);
      }
      return acknowledged;
    } finally {
      if (own) {
        idle.push(own);
      }
    }
  };
  return { ...redisStore(connections[0]!), write, readModifyWrite: write };
}
