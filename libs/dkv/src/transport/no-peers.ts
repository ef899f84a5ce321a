/** The transport of a node that is alone: nobody to ask, nobody who asks. */
import { DkvError } from '../dkv.errors.js';
import { type Controller } from '../ports/controller.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';

export const NO_REMOTE: RemoteKvRepo = {
  send: async ({ nodeId }) => {
    throw new DkvError(
      'DKV_PEER_UNREACHABLE',
      `Node ${nodeId} cannot be asked: this node was started without a discovery.`,
    );
  },
  post: () => false,
  onDisconnect: () => undefined,
  close: async () => {},
  metrics: () => ({ sentBytes: 0, receivedBytes: 0 }),
};

export const NO_CONTROLLER: Controller = {
  start: async () => ({ port: 0 }),
  stop: async () => {},
};
