/** The bystander of all rounds: knows what a majority accepted, which no node alone can know. */
import { majorityOf } from '../../src/model/consistency.js';
import { type RecordId } from '../../src/model/key.js';
import { type Accepted } from '../../src/model/peer-protocol.js';
import { type Version } from '../../src/model/version.js';

export class Decided {
  /** Who accepted a version under a ballot, by key, version and ballot. */
  private readonly votes = new Map<string, Set<string>>();
  private readonly versions = new Set<string>();

  /** To be told of every acceptance before it is durable: what is not counted here cannot have been decided. */
  note(nodeId: string, { namespace, key }: RecordId, { ballot, record }: Accepted, copies: number): void {
    const name = `${namespace} ${key} ${record.version}`;
    const voters = this.votes.get(`${name} ${ballot}`) ?? new Set();
    this.votes.set(`${name} ${ballot}`, voters.add(nodeId));
    if (voters.size >= majorityOf(copies)) {
      this.versions.add(name);
    }
  }

  /** Whether a majority accepted the version under one ballot. */
  has({ namespace, key }: Pick<RecordId, 'namespace' | 'key'>, version: Version): boolean {
    return this.versions.has(`${namespace} ${key} ${version}`);
  }
}
