// Waits until this pod may start: discovery shows it where it is now, and, where its volume is empty, there is a cluster to join, or
// all pods are there that are to found one. A pod that sees only itself, on its first start or after its volume was lost, would found a
// cluster of its own.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as passed } from 'node:timers/promises';

const { POD_NAME, POD_IP, STATEFUL_SET, SERVICE, DATA_DIR, API_SERVER, CREDENTIALS_DIR } = process.env;
const POLL_MS = Number(process.env.POLL_MS);
const TIMEOUT_MS = 10_000;

// Read anew each time: tokens are renewed.
const credential = (name) => readFileSync(`${CREDENTIALS_DIR}/${name}`, 'utf8').trim();

async function ask(group, resource) {
  const url = `${API_SERVER}/apis/${group}/namespaces/${credential('namespace')}/${resource}`;
  const headers = { authorization: `Bearer ${credential('token')}` };
  const answer = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) {
    throw new Error(`the API answers ${answer.status} for ${resource}`);
  }
  return answer.json();
}

/** What this pod waits for; undefined when it may start. */
async function obstacle() {
  const service = encodeURIComponent(`kubernetes.io/service-name=${SERVICE}`);
  const { items } = await ask('discovery.k8s.io/v1', `endpointslices?labelSelector=${service}`);
  const shown = (items ?? [])
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.terminating !== true);
  const has = (name) => shown.some(({ targetRef }) => targetRef?.name === name);
  if (
    !shown.some(({ targetRef, addresses }) => targetRef?.name === POD_NAME && addresses?.includes(POD_IP))
  ) {
    return `the Service ${SERVICE} does not show this pod at ${POD_IP} yet`;
  }
  // `ready` is true for all where not-ready addresses are published; `serving` is what the readiness probe says.
  const isClusterThere = shown.some(
    ({ targetRef, conditions }) => targetRef?.name !== POD_NAME && conditions?.serving === true,
  );
  if (existsSync(DATA_DIR) || isClusterThere) {
    return undefined;
  }
  const { spec } = await ask('apps/v1', `statefulsets/${STATEFUL_SET}`);
  const missing = Array.from({ length: spec.replicas }, (_, at) => `${STATEFUL_SET}-${at}`).filter(
    (name) => !has(name),
  );
  return missing.length === 0
    ? undefined
    : `the volume is empty, no other pod is ready, and the Service ${SERVICE} does not show ${missing.join(', ')} yet`;
}

for (let told; ; await passed(POLL_MS)) {
  const reason = await obstacle().catch((error) => String(error.cause?.message ?? error.message));
  if (reason === undefined) {
    break;
  }
  if (reason !== told) {
    console.log(`Waiting: ${reason}.`);
    told = reason;
  }
}
console.log(`${POD_NAME} may start.`);
