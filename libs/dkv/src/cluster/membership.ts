/** Guards a folder's data against a start with another set of members, which would look in the wrong places. */
import { DkvError } from '../dkv.errors.js';
import { type Hashring } from '../hashring/hashring.js';
import { type RingNode } from '../model/node.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';

const MEMBERSHIP_META = 'membership';

/**
 * Notes the members at the first start; compares at every later one.
 * @throws DkvError `DKV_STORE_MISMATCH` naming what the folder was written with and what was given now.
 */
export async function assertSameMembership(
  local: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>,
  ring: Hashring,
): Promise<void> {
  const given = describeMembership(ring);
  const stored = await local.getMeta(MEMBERSHIP_META);
  if (stored === undefined) {
    await local.putMeta(MEMBERSHIP_META, given);
  } else if (stored !== given) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      `This data folder was written by a cluster of ${stored}; now it is started with ${given}. Changing the ` +
        `members, their weights or zones, or the replicas of a cluster that has data is not supported: start with ` +
        `the old configuration. A new cluster needs data folders of its own.`,
    );
  }
}

function describeMembership({ nodes, replicas }: Hashring): string {
  const members = nodes.map(({ nodeId, weight, zone }) => {
    const extras = [weight === 1 ? '' : `weight ${weight}`, zone && `zone ${zone}`]
      .filter(Boolean)
      .join(', ');
    return extras ? `${nodeId} (${extras})` : nodeId;
  });
  return `${members.join(', ')} with ${replicas} replicas`;
}

/** What the folder's data was written with, where that was noted: its nodes and the replicas asked for then. */
export async function membershipOf(
  local: Pick<LocalKvRepo, 'getMeta'>,
): Promise<{ readonly nodes: readonly RingNode[]; readonly replicas: number } | undefined> {
  const noted = /^(.*) with (\d+) replicas$/.exec((await local.getMeta(MEMBERSHIP_META)) ?? '');
  if (!noted) {
    return undefined;
  }
  const nodes = [
    ...noted[1]!.matchAll(/([^\s,()]+)(?: \((?:weight ([^,)]+))?(?:, )?(?:zone ([^)]*))?\))?/g),
  ].map(([, nodeId, weight = '1', zone = '']) => ({ nodeId: nodeId!, weight: Number(weight), zone }));
  return { nodes, replicas: Number(noted[2]) };
}
