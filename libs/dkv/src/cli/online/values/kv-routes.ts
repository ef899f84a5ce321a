/** The REST routes of values: their paths and queries. */
import { type KvAnswer, type RemovalAnswer } from '../../../transport/rest/kv-controller.js';
import { type ClusterClient } from '../cluster-client.js';

type Query = Readonly<Record<string, string | undefined>>;

/** @throws CommandFailure, `noValue` where there is none */
export function getValue(client: ClusterClient, key: string, query: Query): Promise<KvAnswer> {
  return client.read<KvAnswer>(pathOf(`/kv/${encodeURIComponent(key)}`, query), 'value');
}

/** `value`: in base64. @throws CommandFailure, `conflict` where the key has not the version expected */
export function putValue(
  client: ClusterClient,
  body: {
    readonly key: string;
    readonly value: string;
    readonly ttlMs?: number;
    readonly consistency?: string;
    readonly ifVersion?: string;
  },
  query: Query,
): Promise<KvAnswer> {
  return client.write<KvAnswer>({ method: 'POST', path: pathOf('/kv', query), body }, 'version');
}

/** @throws CommandFailure as `putValue` */
export function removeValue(client: ClusterClient, key: string, query: Query): Promise<RemovalAnswer> {
  const path = pathOf(`/kv/${encodeURIComponent(key)}`, query);
  return client.write<RemovalAnswer>({ method: 'DELETE', path }, 'removed');
}

function pathOf(path: string, query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length > 0 ? `${path}?${new URLSearchParams(given).toString()}` : path;
}
