/** What a transport tells of a peer that it could not talk to: which side refuses the other and why, or that nobody is there. */
import { type DkvError } from '../dkv.errors.js';
import { type PeerObserver } from '../ports/peer-observer.js';
import { BINDING_REMEDY, isOfImpostor } from './tls/bound-names.js';
import { handshakeFaultOf, TLS_REMEDY } from './tls/peer-tls.js';

/** Of a connection or a request to `nodeId` that came to nothing; answers to requests themselves are no failures. */
export function tellOfFailure(observer: PeerObserver, nodeId: string, failure: DkvError): void {
  const fault = handshakeFaultOf(failure);
  if (fault !== undefined) {
    const message = `Node ${nodeId} cannot be connected to: ${fault}. ${TLS_REMEDY} ${failure.message}`;
    observer.refused({ peer: nodeId, reason: 'certificate', message });
    return;
  }
  switch (failure.code) {
    case 'DKV_FORBIDDEN':
      if (isOfImpostor(failure)) {
        const message = `Node ${nodeId} refuses this node. ${failure.message} ${BINDING_REMEDY}`;
        observer.refused({ peer: nodeId, reason: 'certificate', message });
        return;
      }
      observer.refused({
        peer: nodeId,
        reason: 'key',
        message: `Node ${nodeId} refuses this node: it has another apiKey. Give every node the same.`,
      });
      return;
    case 'DKV_PROTOCOL':
      observer.refused({
        peer: nodeId,
        reason: 'version',
        message: `Node ${nodeId} cannot be talked to: ${failure.message}`,
      });
      return;
    case 'DKV_PEER_UNREACHABLE':
    case 'DKV_PEER_DISCONNECTED':
    case 'DKV_NOT_READY':
      observer.unreachable(nodeId, failure.message);
      return;
    default:
  }
}

/** Of somebody who asked this node. `nodeId`: who they say they are, if anything. */
export function tellOfRefused(
  observer: PeerObserver | undefined,
  nodeId: string | undefined,
  address: string | undefined,
  refusal: DkvError,
): void {
  const peer = nodeId ?? address ?? 'an unknown address';
  const who = nodeId === undefined ? `A caller at ${peer}` : `Node ${nodeId}, at ${address},`;
  if (isOfImpostor(refusal)) {
    const message = `${who} is refused. ${refusal.message} ${BINDING_REMEDY}`;
    observer?.refused({ peer, reason: 'certificate', message });
  } else if (refusal.code === 'DKV_FORBIDDEN') {
    const message = `${who} is refused: its apiKey is missing or another one. Give every node the same.`;
    observer?.refused({ peer, reason: 'key', message });
  } else if (refusal.code === 'DKV_PROTOCOL') {
    observer?.refused({ peer, reason: 'version', message: `${who} is refused: ${refusal.message}` });
  }
}
