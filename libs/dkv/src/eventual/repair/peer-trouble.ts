/** Tells trouble with a peer, which ends a pass, from trouble with one record, which must not. */
import { isDkvError } from '../../dkv.errors.js';

/** Whether asking the same peer for something else would fail too. */
export function isTroubleWithPeer(error: unknown): boolean {
  return isDkvError(
    error,
    'DKV_PEER_UNREACHABLE',
    'DKV_PEER_DISCONNECTED',
    'DKV_CONFIGURATION_MISMATCH',
    'DKV_FORBIDDEN',
    'DKV_NOT_READY',
    'DKV_OVERLOADED',
    'DKV_READ_ONLY',
    'DKV_STORAGE_FAILED',
  );
}
