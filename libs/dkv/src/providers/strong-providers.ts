/** How the module makes what serves strong namespaces on this node. */
import { type CoreContext } from '../cluster/core-context.js';
import { DkvError } from '../dkv.errors.js';
import { type DkvOptions } from '../dkv.options.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type StrongMode } from '../ports/strong-mode.js';

export const STRONG_MODE = Symbol('DkvStrongMode');

/** What a strong mode works with. */
export interface StrongModeParts {
  readonly context: CoreContext;
  readonly remote: RemoteKvRepo;
  readonly options: DkvOptions;
}

/** Made once a node, before the Processor; started and stopped by it. */
export function createStrongMode({ context }: StrongModeParts): StrongMode {
  const refuse = (namespace: string): Promise<never> =>
    Promise.reject(
      new DkvError(
        'DKV_NOT_READY',
        `Node ${context.view.selfId} serves no strong namespaces yet, and ${namespace} is one; nothing was done. Use a ` +
          "namespace of mode 'eventual'.",
      ),
    );
  return {
    start() {},
    stop: () => Promise.resolve(),
    peek: () => undefined,
    read: (namespace) => refuse(namespace),
    write: ({ namespace }) => refuse(namespace),
    receive() {},
    disconnected() {},
    unreadyReason: undefined,
  };
}
