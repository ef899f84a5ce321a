// Waits until discovery shows this pod where it is now: the others would connect to where it was, and it would not find itself.
import { readFileSync } from 'node:fs';
import { setTimeout as passed } from 'node:timers/promises';

const { POD_NAME, POD_IP, SERVICE, API_SERVER, CREDENTIALS_DIR } = process.env;
const POLL_MS = Number(process.env.POLL_MS);
const TIMEOUT_MS = 10_000;

// Read anew each time: tokens are renewed.
const credential = (name) => readFileSync(`${CREDENTIALS_DIR}/${name}`, 'utf8').trim();

/** What this pod waits for; undefined when it may start. */
async function obstacle() {
  const service = encodeURIComponent(`kubernetes.io/service-name=${SERVICE}`);
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${credential('namespace')}/endpointslices`;
  const headers = { authorization: `Bearer ${credential('token')}` };
  const answer = await fetch(`${API_SERVER}${slices}?labelSelector=${service}`, {
    headers,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) {
    return `the API answers ${answer.status} for endpointslices`;
  }
  const { items } = await answer.json();
  const isShown = (items ?? [])
    .flatMap(({ endpoints }) => endpoints ?? [])
    .some(
      ({ conditions, targetRef, addresses }) =>
        conditions?.terminating !== true && targetRef?.name === POD_NAME && addresses?.includes(POD_IP),
    );
  return isShown ? undefined : `the Service ${SERVICE} does not show this pod at ${POD_IP} yet`;
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
