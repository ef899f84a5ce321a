// Before a StatefulSet gets fewer pods, those that go leave the cluster: they give away what they hold while they still run. Ends with
// another code than 0 where that is not done, and no pod may go then. Asked again, it goes on where it was.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const { STATEFUL_SET, API_SERVER, CREDENTIALS_DIR } = process.env;
const REPLICAS = Number(process.env.REPLICAS);
const UNTIL_MS = Date.now() + Number(process.env.WITHIN_SECONDS) * 1_000;
const TIMEOUT_MS = 10_000;

function end(code, line) {
  console.log(line);
  process.exit(code);
}

/** How many pods there are to be now; undefined where there is no set. */
async function replicasNow() {
  const credential = (name) => readFileSync(`${CREDENTIALS_DIR}/${name}`, 'utf8').trim();
  const set = `namespaces/${credential('namespace')}/statefulsets/${STATEFUL_SET}`;
  const headers = { authorization: `Bearer ${credential('token')}` };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const answer = await fetch(`${API_SERVER}/apis/apps/v1/${set}`, { headers, redirect: 'error', signal });
  if (answer.status === 404) {
    return undefined;
  }
  if (!answer.ok) {
    end(1, `The API answers ${answer.status} for the StatefulSet ${STATEFUL_SET}: no pod may go.`);
  }
  return (await answer.json()).spec.replicas;
}

/** The members that a smaller set has no pod for. */
function membersThatGo() {
  const { status, stdout } = spawnSync('dkv', ['moves', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) {
    end(1, 'The members could not be asked for: no pod may go. Start the nodes that stay, and try again.');
  }
  const numberOf = (nodeId) =>
    nodeId.startsWith(`${STATEFUL_SET}-`) ? Number(nodeId.slice(STATEFUL_SET.length + 1)) : Number.NaN;
  return JSON.parse(stdout)
    .members.map(({ nodeId }) => nodeId)
    .filter((nodeId) => numberOf(nodeId) >= REPLICAS);
}

function decommission(nodeId, ...options) {
  return spawnSync('dkv', ['decommission', nodeId, ...options], { stdio: ['ignore', 'inherit', 'inherit'] })
    .status;
}

const now = await replicasNow();
if (now === undefined || now <= REPLICAS) {
  end(0, `No pod of ${STATEFUL_SET} goes: there are ${now ?? 0}, and ${REPLICAS} are to be.`);
}
const leaving = membersThatGo();
// All at first, so that none takes what another gives away.
for (const nodeId of leaving) {
  if (decommission(nodeId) !== 0) {
    end(1, `Node ${nodeId} was not asked to leave: no pod may go.`);
  }
}
for (const nodeId of leaving) {
  const seconds = String(Math.max(1, Math.ceil((UNTIL_MS - Date.now()) / 1_000)));
  // One that left meanwhile is no member that could be asked.
  if (decommission(nodeId, '--wait', '--within', seconds) !== 0 && membersThatGo().includes(nodeId)) {
    end(1, `Node ${nodeId} is a member still: no pod may go. It goes on leaving; try again with more time.`);
  }
}
end(0, `No member of ${STATEFUL_SET} is without a pod when there are ${REPLICAS}.`);
