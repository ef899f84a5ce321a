/** A request of this node's own callers that another node led: they are told as soon as its entry is applied here. */
import { type StrongRecord } from '../model/strong-record.js';
import { type OperationsEntry } from './entry-layout.js';
import { type GroupCore, type GroupServices } from './group-parts.js';
import { IDEMPOTENCY_NAMESPACE } from './idempotency.js';
import { type RequestStanding, tookEffectAt } from './request-table.js';

/** @param standing what applying the entry found of its request */
export function tellOwnCaller(
  { generation, applied: index, logTimeMs: modifiedMs }: GroupCore,
  services: GroupServices,
  { operations }: OperationsEntry,
  standing: RequestStanding,
): void {
  const { request, changes } = operations[operations.length - 1]!;
  if (request?.nodeId !== services.nodeId || !tookEffectAt(standing, index)) {
    return;
  }
  const [own] = changes;
  let record: StrongRecord | undefined;
  if (own?.value !== undefined && own.namespace !== IDEMPOTENCY_NAMESPACE) {
    record = { generation, index, expiresAtMs: own.expiresAtMs, modifiedMs, value: own.value };
  }
  services.ownApplied(request, {
    type: 'done',
    outcome: 'done',
    record,
    existed: standing.existed,
    repeated: false,
    generation,
    index,
    isLogged: true,
    isOwnValue: false,
  });
}
