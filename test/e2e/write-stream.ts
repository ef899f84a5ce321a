/** Concurrent writes of ever new keys through several nodes, with a record of what was answered to each. */
import { setTimeout as pause } from 'node:timers/promises';
import { type DemoNode } from './demo-node.js';
import { fewAtOnce } from './few-at-once.js';

export interface RecordedWrite {
  readonly key: string;
  readonly value: string;
  /** Through which it was written. */
  readonly node: DemoNode;
}

const WRITERS_PER_NODE = 4;
/** All that is written is read again, on every node: without a pace a slow machine would write for longer, and read more. */
const PAUSE_MS = 100;

export class WriteStream {
  /** Answered with 200. */
  readonly acknowledged: RecordedWrite[] = [];
  /** Answered with 503: nothing was written. */
  readonly refused: RecordedWrite[] = [];
  /** The connection broke before an answer. */
  readonly unanswered: RecordedWrite[] = [];
  readonly statuses = new Set<number>();
  private ending = false;
  private readonly writers: Promise<void>[];

  /** Writes begin at once; a writer whose node is gone gives up. */
  constructor(
    nodes: readonly DemoNode[],
    private readonly name: string,
  ) {
    this.writers = nodes.flatMap((node) =>
      Array.from({ length: WRITERS_PER_NODE }, (_, writer) => this.writeOn(node, writer)),
    );
  }

  /** Takes no new writes and waits for the answers of those under way. */
  async end(): Promise<void> {
    this.ending = true;
    await Promise.all(this.writers);
  }

  /** The keys of acknowledged writes that `node` does not show at `level`. */
  async missing(
    node: DemoNode,
    level: 'one' | 'quorum',
    where: (write: RecordedWrite) => boolean = () => true,
  ): Promise<string[]> {
    const found = await fewAtOnce(this.acknowledged.filter(where), async ({ key, value }) => {
      const { status, body } = await node.http.get(key, level);
      return status === 200 && body.value === value
        ? []
        : [`${key}: ${status} ${body.code ?? String(body.value)}`];
    });
    return found.flat();
  }

  private async writeOn(node: DemoNode, writer: number): Promise<void> {
    for (let n = 0; !this.ending; n++) {
      const write = { key: `${this.name} ${node.id} ${writer} ${n}`, value: `value ${n}`, node };
      try {
        const { status } = await node.http.put(write.key, write.value);
        this.statuses.add(status);
        if (status === 200) {
          this.acknowledged.push(write);
        } else if (status === 503) {
          this.refused.push(write);
        }
      } catch {
        this.unanswered.push(write);
        return;
      }
      await pause(PAUSE_MS);
    }
  }
}
