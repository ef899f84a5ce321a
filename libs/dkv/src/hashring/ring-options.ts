/** What a ring is made of, checked: a ring of wrong numbers would be wrong quietly. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type RingNode } from '../model/node.js';
import { NODE_ID_PATTERN } from '../model/version.js';
import { type HashFunc } from '../ports/hash-func.js';

export interface HashringOptions {
  /** Slices of the hash space, 1 to 65536; fixed as long as there is data. Give ten or more per node. */
  readonly partitions: number;
  /** Copies of a key beside the holder's, 0 to 15. */
  readonly replicas: number;
  readonly hashFunc: HashFunc;
}

export const PARTITIONS_MAX = 65_536;
export const REPLICAS_MAX = 15;

/** @throws DkvError `DKV_INVALID_OPTIONS` naming the option, its value and what is allowed. */
export function assertOptions({ partitions, replicas, hashFunc }: HashringOptions): void {
  assertWhole('partitions', partitions, 1, PARTITIONS_MAX);
  assertWhole('replicas', replicas, 0, REPLICAS_MAX);
  const sample = hashFunc.hash(Buffer.from('dkv'));
  if (!Number.isInteger(sample) || sample < 0 || sample > 0xffff_ffff) {
    throw invalid(
      `hashFunc ${hashFunc.name} gives ${sample}: a HashFunc gives whole numbers from 0 to 4294967295. ` +
        `Append ">>> 0" to one that is signed.`,
    );
  }
}

/**
 * The nodes as the ring keeps them: frozen, sorted by id, with nothing but what places data.
 * @throws DkvError `DKV_INVALID_OPTIONS`
 */
export function ringNodes(nodes: readonly RingNode[]): readonly RingNode[] {
  if (nodes.length === 0) {
    throw invalid('nodes is empty: a ring needs at least one node, this one itself if there is no other.');
  }
  const seen = new Set<string>();
  for (const { nodeId, weight, zone } of nodes) {
    if (typeof nodeId !== 'string' || !NODE_ID_PATTERN.test(nodeId)) {
      throw invalid(`nodeId is ${shown(nodeId)}: give 1 to 100 characters of A-Z a-z 0-9 . _ -`);
    }
    if (seen.has(nodeId)) {
      throw invalid(`nodeId ${nodeId} is given twice: every node needs a name of its own.`);
    }
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight <= 0) {
      throw invalid(`weight of ${nodeId} is ${shown(weight)}: give a finite number above 0, such as 1.`);
    }
    if (typeof zone !== 'string') {
      throw invalid(`zone of ${nodeId} is ${shown(zone)}: give a text; the empty one if it is unknown.`);
    }
    seen.add(nodeId);
  }
  return Object.freeze(
    nodes
      .map(({ nodeId, weight, zone }) => Object.freeze({ nodeId, weight, zone }))
      // By UTF-16 unit, not by locale: the same order on every machine.
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
  );
}

function assertWhole(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalid(`${name} is ${shown(value)}: give a whole number from ${min} to ${max}.`);
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function invalid(message: string): DkvError {
  return new DkvError('DKV_INVALID_OPTIONS', message);
}
