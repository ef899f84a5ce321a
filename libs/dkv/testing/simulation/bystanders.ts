/** Those who watch a node of the simulation from outside: what it sends, what it accepts. */
import { type EngineLocalKvRepo } from '../../src/local-kv/engine-local-kv-repo.js';
import { type RecordId } from '../../src/model/key.js';
import { type Accepted } from '../../src/model/peer-protocol.js';
import { type RemoteKvRepo } from '../../src/ports/remote-kv-repo.js';
import { type TestMessage } from './sim-cluster.js';

/** The same repository, in whose rounds nothing is accepted unnoticed. */
export function observed(
  repo: EngineLocalKvRepo,
  onAccepted: (id: RecordId, accepted: Accepted) => void,
): EngineLocalKvRepo {
  const updateRound = repo.updateRound.bind(repo);
  repo.updateRound = (id, change) =>
    updateRound(id, (round) => {
      const decided = change(round);
      if (decided?.accepted) {
        onAccepted(id, decided.accepted);
      }
      return decided;
    });
  return repo;
}

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
