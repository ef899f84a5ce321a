/** What this node answers when an operator asks, by way of another node or of this one. */
import { type CoreContext } from '../cluster/core-context.js';
import { type AdministrationHandlers } from '../eventual/inbound-handler.js';
import { type RecordId } from '../model/key.js';
import { GROUPS_PER_ANSWER_MAX, type KeyStatus } from '../model/peer-protocol.js';
import { summaryOf } from '../model/record-summary.js';
import { type StrongGroups } from '../ports/strong-groups.js';

export function administrationAnswers(
  { local, namespaces }: Pick<CoreContext, 'local' | 'namespaces'>,
  strong: StrongGroups,
): AdministrationHandlers {
  return {
    getGroups: async ({ first }) => {
      const groups = strong.list(first, GROUPS_PER_ANSWER_MAX);
      return { groups, done: groups.length < GROUPS_PER_ANSWER_MAX };
    },
    getStatus: ({ id }) =>
      namespaces.get(id.namespace).mode === 'strong' ? strongStatus(strong, id) : eventualStatus(local, id),
    transferLeadership: async ({ group, nodeId }) => ({ state: strong.transfer(group, nodeId) }),
  };
}

async function strongStatus(
  strong: StrongGroups,
  { partition, namespace, key }: RecordId,
): Promise<KeyStatus> {
  const { group, record } = await strong.look(partition, namespace, key);
  return { group, ...(record && { record }) };
}

async function eventualStatus(local: CoreContext['local'], id: RecordId): Promise<KeyStatus> {
  const record = await local.get(id);
  const { hintBytes } = local;
  return record
    ? { record: summaryOf({ ...record, isTombstone: record.tombstone }), hintBytes }
    : { hintBytes };
}
