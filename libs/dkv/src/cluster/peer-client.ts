/** Asks one peer: puts the envelope on, checks the one that comes back, counts what it took. */
import { DkvError, type DkvErrorCode, isDkvError } from '../dkv.errors.js';
import { type RefusalReason } from '../model/node.js';
import {
  type PeerEnvelope,
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
} from '../model/peer-protocol.js';
import { type Clock } from '../ports/clock.js';
import { type RemoteKvRepo, type SendOptions } from '../ports/remote-kv-repo.js';
import { type Telemetry } from '../ports/telemetry.js';
import { ADDRESS_REMEDY, type ClusterView } from './cluster-view.js';
import { type EnvelopeGuard } from './envelope-guard.js';
import { type PeerTransitions } from './peer-transitions.js';

/** What a peer answers to a message that it did not look at. */
const REFUSALS: Partial<Record<DkvErrorCode, RefusalReason>> = {
  DKV_CLOCK_SKEW: 'clock',
  DKV_CONFIGURATION_MISMATCH: 'configuration',
};

export class PeerClient {
  constructor(
    private readonly view: ClusterView,
    private readonly remote: RemoteKvRepo,
    private readonly guard: EnvelopeGuard,
    private readonly clock: Clock,
    private readonly telemetry: Telemetry,
    private readonly transitions: PeerTransitions,
  ) {
    view.onConfiguration(() => telemetry.peersChanged(view.others.map(({ nodeId }) => nodeId)));
  }

  /** @throws DkvError as RemoteKvRepo.send, or the peer's own. */
  call<K extends PeerRequestKind>(
    nodeId: string,
    kind: K,
    ask: PeerProtocol[K]['ask'],
    options: SendOptions,
  ): Promise<PeerProtocol[K]['answer']> {
    const startedMs = this.clock.monotonic();
    const { from, configuration, sentAtMs } = this.guard.envelope();
    const request = { kind, from, configuration, sentAtMs, ask };
    // Not an async function: one more promise for each request, and what it keeps while it waits.
    return this.sent(nodeId, request, options).then(
      (reply) => {
        this.tell(nodeId, kind, startedMs);
        this.assertAcceptable(nodeId, reply);
        return reply.answer;
      },
      (error: unknown) => {
        this.tell(nodeId, kind, startedMs);
        this.tellOfRefusal(nodeId, error);
        throw error;
      },
    );
  }

  private sent<K extends PeerRequestKind>(
    nodeId: string,
    request: PeerRequest<K>,
    options: SendOptions,
  ): Promise<PeerReply<K>> {
    try {
      return this.remote.send(this.view.address(nodeId), request, options);
    } catch (error) {
      const refusal = error as DkvError;
      return Promise.reject(refusal);
    }
  }

  private tell(nodeId: string, kind: PeerRequestKind, startedMs: number): void {
    this.telemetry.peerCall(nodeId, kind, (this.clock.monotonic() - startedMs) / 1000);
  }

  /** The peer has said so itself: this node is told where it is the one that is wrong. */
  private tellOfRefusal(nodeId: string, error: unknown): void {
    const reason = isDkvError(error) ? REFUSALS[error.code] : undefined;
    if (reason) {
      const { message } = error as DkvError;
      this.transitions.refused({
        peer: nodeId,
        reason,
        message: `Node ${nodeId} refuses this node: ${message}`,
      });
    }
  }

  /** A refused answer does not undo the request: to the caller it is as if none had come. */
  private assertAcceptable(nodeId: string, reply: PeerEnvelope): void {
    if (reply.from !== nodeId) {
      // An address that another node has taken over: one node must not count as two copies.
      throw new DkvError(
        'DKV_PEER_DISCONNECTED',
        `Node ${reply.from} answered at the address of node ${nodeId}. ${ADDRESS_REMEDY}`,
      );
    }
    try {
      this.guard.check(reply);
    } catch (cause) {
      throw new DkvError('DKV_PEER_DISCONNECTED', `The answer of node ${nodeId} was refused.`, { cause });
    }
  }
}
