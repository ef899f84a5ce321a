/** Asks the nodes of a key what they accepted last, without a round: where a majority says the same, it is decided. */
import { majorityOf } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type PeerProtocol } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { type Acceptor } from './acceptor.js';
import { type Ballot } from './rules.js';

type Answer = PeerProtocol['inspect']['answer'] & { readonly nodeId: string };

/** What a majority accepted last; without a record where nothing was ever accepted. */
export interface Agreement {
  readonly ballot: Ballot;
  readonly record: KvRecord | undefined;
}

export class Inspection {
  constructor(
    private readonly context: CoreContext,
    private readonly acceptor: Acceptor,
  ) {}

  /**
   * Asks as many nodes as a majority has, then the others. Undefined where no majority agrees or answers: `cause` is
   * then the last error.
   */
  async agreement(
    id: RecordId,
    deadline: Deadline,
  ): Promise<{ readonly agreed: Agreement | undefined; readonly cause: unknown }> {
    const nodes = this.bestFirst(id.partition);
    const majority = majorityOf(this.context.view.copiesOf(id.partition));
    const first = await this.askAll(nodes.slice(0, majority), id, deadline);
    let found = agreedBy(first.answers, majority);
    let { answers, cause } = first;
    if (!found && nodes.length > majority && !deadline.over) {
      const rest = await this.askAll(nodes.slice(majority), id, deadline);
      answers = [...answers, ...rest.answers];
      cause ??= rest.cause;
      found = agreedBy(answers, majority);
    }
    if (!found) {
      return { agreed: undefined, cause };
    }
    const { ballot, version } = found;
    const record = answers.find((answer) => answer.ballot === ballot && answer.record)?.record;
    return record || version === ''
      ? { agreed: { ballot, record }, cause }
      : { agreed: await this.fetch(found, id, deadline), cause };
  }

  /** This node first, then those up in the order of the list. */
  private bestFirst(partition: number): readonly string[] {
    const { view } = this.context;
    const reachable = view.reachable(partition);
    return view.holds(partition)
      ? [view.selfId, ...reachable.filter((nodeId) => nodeId !== view.selfId)]
      : reachable;
  }

  private async askAll(
    nodes: readonly string[],
    id: RecordId,
    deadline: Deadline,
  ): Promise<{ answers: readonly Answer[]; cause: unknown }> {
    const answers: Answer[] = [];
    let cause: unknown;
    const ask = async (nodeId: string, position: number) => {
      try {
        // One value is enough: most often all have the same.
        answers.push({ nodeId, ...(await this.at(nodeId, id, position > 0, deadline)) });
      } catch (error) {
        cause = error;
      }
    };
    await Promise.all(nodes.map(ask));
    return { answers, cause };
  }

  /** The record itself, of a node that agreed; undefined when it has moved on. */
  private async fetch(
    { nodeId, ballot }: Answer,
    id: RecordId,
    deadline: Deadline,
  ): Promise<Agreement | undefined> {
    try {
      const answer = await this.at(nodeId, id, false, deadline);
      return answer.ballot === ballot && answer.record ? { ballot, record: answer.record } : undefined;
    } catch {
      return undefined;
    }
  }

  private at(
    nodeId: string,
    id: RecordId,
    noValue: boolean,
    deadline: Deadline,
  ): Promise<PeerProtocol['inspect']['answer']> {
    const { view, peers, limits } = this.context;
    if (nodeId === view.selfId) {
      return this.acceptor.inspect({ id, noValue });
    }
    const timeoutMs = Math.max(1, Math.min(limits.peerTimeoutMs, deadline.leftMs));
    return peers.call(nodeId, 'inspect', { id, noValue }, { timeoutMs, signal: deadline.signal });
  }
}

/** One of those who agree. */
function agreedBy(answers: readonly Answer[], majority: number): Answer | undefined {
  return answers.find(({ ballot }) => answers.filter((other) => other.ballot === ballot).length >= majority);
}
