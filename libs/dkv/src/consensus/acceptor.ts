/** The acceptor side of this node: every rule of a round under the key's lock, durable before the answer. */
import { type RecordId } from '../model/key.js';
import { type Notice, type PeerProtocol } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { type CoreContext } from '../cluster/core-context.js';
import { accept, type Ballot, learn, prepare, type Promised, type Step, type Vote } from './rules.js';

export class Acceptor {
  constructor(private readonly context: Pick<CoreContext, 'local' | 'versions' | 'logger'>) {}

  prepare({ id, ballot }: PeerProtocol['prepare']['ask']): Promise<Promised> {
    return this.step(id, ballot, (round) => prepare(round, ballot));
  }

  accept({ partition, ballot, record, next, settled }: PeerProtocol['accept']['ask']): Promise<Vote> {
    // In the order of sending: a notice may be of the very key, of the round before.
    this.settle(settled);
    const id = { partition, namespace: record.namespace, key: record.key };
    return this.step(id, ballot, (round) => accept(round, ballot, record, next));
  }

  async inspect({ id, noValue }: PeerProtocol['inspect']['ask']): Promise<PeerProtocol['inspect']['answer']> {
    const { accepted } = await this.context.local.getRound(id);
    return {
      ballot: accepted?.ballot ?? '',
      version: accepted?.record.version ?? '',
      record: noValue ? undefined : accepted?.record,
    };
  }

  /** Takes over what is known to be committed. */
  learn(id: RecordId, record: KvRecord, ballot?: Ballot): Promise<void> {
    return this.context.local.updateRound(id, (round) => learn(round, record, ballot));
  }

  /** Readers of this node see `record`, which is committed, or a newer one, when it resolves. */
  show(id: RecordId, record: KvRecord): Promise<void> {
    const { version } = record;
    return this.context.local.settle(id, version).then((shown) =>
      // Most often it was accepted here, and is on the disk already.
      shown < version ? this.learn(id, record) : undefined,
    );
  }

  /** Nobody waits for it: a notice that gets lost is found out by a later round. */
  settle(notices: readonly Notice[]): void {
    for (const notice of notices) {
      this.context.local.settle(notice, notice.version).catch(this.notNoted);
    }
  }

  private readonly notNoted = (error: Error): void =>
    this.context.logger.debug?.(`A commit was not noted: ${error.message}`);

  private step<A>(
    id: RecordId,
    ballot: Ballot,
    rule: (round: Parameters<typeof prepare>[0]) => Step<A>,
  ): Promise<A> {
    const { local, versions } = this.context;
    versions.observe(ballot);
    let answer: A;
    const stored = local.updateRound(id, (round) => {
      const step = rule(round);
      answer = step.answer;
      return step.change;
    });
    return stored.then(() => answer);
  }
}
