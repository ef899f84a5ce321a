/** Those who watch a node of the simulation from outside: what it sends. */
import { type RemoteKvRepo } from '../../src/ports/remote-kv-repo.js';
import { type TestMessage } from './sim-cluster.js';

/** Notes every request before it is sent. */
export function noting(remote: RemoteKvRepo, from: string, messages: TestMessage[]): RemoteKvRepo {
  return {
    send: (to, request, options) => {
      messages.push({ from, to: to.nodeId, kind: request.kind });
      return remote.send(to, request, options);
    },
    post: (to, frame, lane) => remote.post(to, frame, lane),
    onDisconnect: (listener) => remote.onDisconnect(listener),
    close: () => remote.close(),
    metrics: () => remote.metrics(),
  };
}
