/** Options that are right by themselves and wrong together, in the words of a boot that fails. */
import { isTls, wrongTls } from './dkv.tls-options.js';
import { type ApiKey, keysOf } from './transport/http/port-keys.js';
import { type NamespaceMode, type ReadLevel, type WriteLevel } from './model/consistency.js';

/** Heartbeats in an election time-out, at least. */
export const HEARTBEATS_MIN = 5;

export function wrongTogether(given: {
  readonly mode: NamespaceMode;
  readonly readConsistency?: ReadLevel;
  readonly writeConsistency?: WriteLevel;
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs?: number;
  readonly nodeId?: string;
  readonly apiKey?: ApiKey;
  readonly insecure?: boolean;
  readonly adminKey?: string;
  readonly discovery?: unknown;
  readonly remoteKvRepo?: unknown;
  readonly controller?: unknown;
  readonly tls?: unknown;
  readonly clusterSize?: number;
}): string[] {
  const { heartbeatIntervalMs, electionTimeoutMs, remoteKvRepo, controller, tls } = given;
  const { apiKey, adminKey } = given;
  const faults = wrongForMode(given);
  if (electionTimeoutMs != null && electionTimeoutMs < HEARTBEATS_MIN * heartbeatIntervalMs) {
    faults.push(
      `electionTimeoutMs is ${electionTimeoutMs} with a heartbeatIntervalMs of ${heartbeatIntervalMs}: give at least ` +
        `${HEARTBEATS_MIN} heartbeats, ${HEARTBEATS_MIN * heartbeatIntervalMs}, or a node that is a little late is taken for down`,
    );
  }
  faults.push(...wrongAmongPeers(given));
  if (given.clusterSize != null && given.clusterSize > 1 && !given.discovery) {
    faults.push(
      `clusterSize is ${given.clusterSize} without a discovery: this node would wait for others for ever; give a discovery that ` +
        'shows them, or leave clusterSize out',
    );
  }
  if (adminKey != null && keysOf(apiKey ?? '').includes(adminKey)) {
    faults.push(
      'adminKey is the apiKey: give operators a secret of their own, which no peer and no script has',
    );
  }
  if (adminKey != null && controller) {
    faults.push('adminKey is not for a controller of your own: leave it out, and serve DkvAdmin in that');
  }
  if (isTls(tls)) {
    faults.push(...wrongTls(tls, given.nodeId));
    if (remoteKvRepo || controller) {
      faults.push(
        'tls is not for a remoteKvRepo and controller of your own: leave it out, and encrypt in these',
      );
    }
  }
  return faults;
}

/** What a mode does not offer. A merger of `strong` is found when the store is made: it may be an override. */
export function wrongForMode(given: {
  readonly mode?: NamespaceMode;
  readonly readConsistency?: ReadLevel;
  readonly writeConsistency?: WriteLevel;
}): string[] {
  const { mode, readConsistency, writeConsistency = 'quorum' } = given;
  if (mode === 'eventual' && readConsistency === 'linearizable') {
    return ["readConsistency is \"linearizable\": mode is eventual, whose reads are 'one' or 'quorum'"];
  }
  if (mode === 'strong' && (writeConsistency === 'one' || writeConsistency === 'all')) {
    return [
      `writeConsistency is "${writeConsistency}": mode is strong, where a majority acknowledges every write; leave it ` +
        "out, or set mode: 'eventual'",
    ];
  }
  return [];
}

/** What a node among others needs. */
function wrongAmongPeers(given: {
  readonly discovery?: unknown;
  readonly nodeId?: string;
  readonly apiKey?: ApiKey;
  readonly insecure?: boolean;
  readonly remoteKvRepo?: unknown;
  readonly controller?: unknown;
}): string[] {
  const { discovery, nodeId, apiKey, insecure, remoteKvRepo, controller } = given;
  const faults: string[] = [];
  if (discovery && nodeId == null) {
    faults.push(
      'nodeId is missing: with a discovery each node needs the stable name under which that knows it. On Kubernetes run a ' +
        "StatefulSet and give nodeId: process.env.HOSTNAME, the pod's name (or an environment variable of your own from " +
        'metadata.name by the downward API)',
    );
  }
  if (discovery && apiKey == null && !controller && !insecure) {
    faults.push(
      'apiKey is missing: with a discovery, peers must share a secret of 8 to 256 characters; where nobody else can reach ' +
        'the peer port, insecure: true does without',
    );
  }
  if (insecure && apiKey != null) {
    faults.push('insecure is true with an apiKey, which nobody would be asked for: leave one of them out');
  }
  if ((remoteKvRepo == null) !== (controller == null)) {
    faults.push(
      'remoteKvRepo and controller go together: a client of peers needs its listener, and the reverse',
    );
  }
  return faults;
}
