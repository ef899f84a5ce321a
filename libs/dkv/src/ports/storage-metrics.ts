/** What a node stores, of strong and eventual namespaces together. */
import { type LocalKvMetrics } from './local-kv-repo.js';

export interface StorageMetrics extends LocalKvMetrics {
  /** Bytes of the node log. */
  readonly logBytes: number;
  /** Bytes of strong records that no checkpoint has yet. */
  readonly dirtyBytes: number;
  /** Damaged strong records that reads met since the start, each once. */
  readonly corruptRecords: number;
  /** Since the last checkpoint, while there are changes that it has not; 0 else. */
  readonly checkpointAgeMs: number;
}
