/** Calls of a namespace that the cluster has yet to agree on wait for that, where it can. */
import { type CoreContext } from '../cluster/core-context.js';
import { Deadline } from '../cluster/deadline.js';
import { type Membership } from '../ports/membership.js';

/**
 * Resolves when the cluster has agreed on the namespace.
 * @throws DkvError as `Namespaces.get`: `DKV_NOT_READY` at once where the cluster cannot agree on anything now; `DKV_ABORTED`
 */
export async function onceAgreedOn(
  namespace: string,
  { namespaces, clock }: Pick<CoreContext, 'namespaces' | 'clock'>,
  membership: Pick<Membership, 'refusal'>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const deadline = new Deadline(clock, timeoutMs, signal);
  while (namespaces.isWaiting(namespace) && !deadline.over) {
    const { refusal } = membership;
    if (refusal) {
      namespaces.delayed(refusal.message);
      break;
    }
    let forget = () => {};
    await deadline.until((done) => (forget = namespaces.onceChanged(done)));
    forget();
  }
  deadline.assertWanted();
  namespaces.get(namespace);
}
