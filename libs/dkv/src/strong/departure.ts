/** The end of a process run: leaderships go first, callers are answered, and the peers are told. */
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Clock } from '../ports/clock.js';
import { type StrongNode } from './strong-node.js';

/** How long a stop waits for leaderships to be taken over, and then for answers. */
const LEAVE_MS = 2_000;
/** So long may a good-bye be under way before the transport is closed. */
const GOODBYE_MS = 50;

/** Leaderships go, so that nobody waits for an election; then what is under way here, `closing`, is answered. */
export async function handOver(
  node: StrongNode,
  clock: Clock,
  hasPeers: boolean,
  closing: Promise<unknown>,
): Promise<void> {
  const untilMs = clock.monotonic() + LEAVE_MS;
  node.leadership.leave();
  node.wakeChanged();
  while (node.leadership.leads && clock.monotonic() < untilMs && hasPeers) {
    await passed(clock, 20);
  }
  await Promise.race([closing, passed(clock, LEAVE_MS)]);
}

/** Tells the peers that this process run ends in order. */
export async function sayGoodbye(node: StrongNode, clock: Clock, directory: PeerDirectory): Promise<void> {
  let said = 0;
  for (const { nodeId } of directory.all) {
    node.say(nodeId, { kind: 'goodbye' });
    said++;
  }
  if (said > 0) {
    await passed(clock, GOODBYE_MS);
  }
}

function passed(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(ms, resolve));
}
