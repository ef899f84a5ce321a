/** The demo's requests for items and counters, with what their answers mean for a history. */
import { type HistoryOutcome } from '../../libs/dkv/testing/simulation/history.js';
import { type Demand } from './client-desk.js';
import { type AnswerBody } from './http-caller.js';

export type AskedLevel = 'one' | 'quorum' | 'linearizable';
type Asked = Pick<Demand, 'client' | 'key'> & Partial<Pick<Demand, 'requestId' | 'again'>>;

export function read(asked: Asked, level: AskedLevel, folder: 'items' | 'counters' = 'items'): Demand {
  return {
    ...asked,
    // The checkers of strong histories take every read without a level for a linearizable one.
    action: level === 'linearizable' ? { kind: 'read' } : { kind: 'read', level },
    method: 'GET',
    path: `/${folder}/${asked.key}?consistency=${level}`,
    understand: ({ value, version }) => ({ kind: 'ok', value: String(value), version }),
  };
}

export function write(asked: Asked, value: string): Demand {
  return {
    ...asked,
    action: { kind: 'write', value, level: 'quorum' },
    method: 'PUT',
    path: `/items/${asked.key}`,
    body: value,
    understand: acknowledged,
  };
}

/** `versionOf` names the version of the tombstone where the answer does not. */
export function remove(asked: Asked, versionOf?: (body: AnswerBody) => string | undefined): Demand {
  return {
    ...asked,
    action: { kind: 'delete', level: 'quorum' },
    method: 'DELETE',
    path: `/items/${asked.key}`,
    understand: (body) => ({
      kind: 'ok',
      version: body.version ?? versionOf?.(body),
      existed: body.removed,
    }),
  };
}

export function compareAndSet(asked: Asked, expected: string | null, value: string): Demand {
  return {
    ...asked,
    action: { kind: 'compareAndSet', expected, value },
    method: 'PUT',
    path: `/items/${asked.key}?ifVersion=${encodeURIComponent(expected ?? 'absent')}`,
    body: value,
    understand: acknowledged,
  };
}

export function increment(asked: Asked, by: number): Demand {
  return {
    ...asked,
    action: { kind: 'increment', by },
    method: 'POST',
    path: `/counters/${asked.key}`,
    body: { by },
    // Under a request id the answer may be the count as it stands, when others have counted on since.
    understand: ({ value, version }) =>
      asked.requestId === undefined ? { kind: 'ok', value: String(value), version } : { kind: 'ok' },
  };
}

function acknowledged({ version }: AnswerBody): HistoryOutcome {
  return { kind: 'ok', version };
}
