/** Read repair: a quorum read that met different versions leaves all of its nodes with the winner. */
import { type RecordId } from '../../model/key.js';
import { type KvRecord } from '../../model/record.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { type Replica } from '../replica.js';

export interface Copy {
  readonly nodeId: string;
  readonly record: KvRecord | undefined;
}

export class ReadRepair {
  /** Joins that no node holds: another one made later may carry the same version, so they must not be sent. */
  private readonly unstored = new WeakSet<KvRecord>();

  constructor(
    private readonly context: CoreContext,
    private readonly replica: Replica,
  ) {}

  /** The record that stands for `copies`, joined where a merger joins. */
  async settle(id: RecordId, copies: readonly Copy[]): Promise<KvRecord | undefined> {
    const newest = newestOf(copies);
    if (!newest?.record || copies.every(({ record }) => record?.version === newest.record?.version)) {
      return newest?.record;
    }
    this.context.telemetry.readRepair();
    if (this.context.namespaces.get(id.namespace).merger.newestWins) {
      return newest.record;
    }
    return this.joinStored(id, copies).catch(() => this.joinUnstored(copies));
  }

  /** Made where a copy is held, so that what the reader sees is stored. */
  private async joinStored(id: RecordId, copies: readonly Copy[]): Promise<KvRecord> {
    const newest = newestOf(copies)!;
    let joined = newest.record!;
    for (const { record } of copies) {
      if (record && record.version !== newest.record!.version) {
        joined = await this.joinAt(newest.nodeId, id, record, joined);
      }
    }
    return joined;
  }

  /** When no node can store it now: the reader sees the join, and repair makes it again. */
  private joinUnstored(copies: readonly Copy[]): KvRecord {
    const join = copies.reduce<KvRecord | undefined>(
      (joined, { record }) => (record ? this.replica.joined(joined, record) : joined),
      undefined,
    )!;
    this.unstored.add(join);
    return join;
  }

  /** Sends the winner (or what a later answer showed to be newer) to who lacks it; never rejects. */
  async sendWinner(id: RecordId, settled: KvRecord | undefined, copies: readonly Copy[]): Promise<void> {
    const latest = newestOf(copies)?.record;
    const stored = settled && !this.unstored.has(settled) ? settled : undefined;
    const winner = latest && (!stored || latest.version > stored.version) ? latest : stored;
    const behind = copies.filter(({ record }) => winner && record?.version !== winner.version);
    const send = ({ nodeId }: Copy) =>
      this.joinAt(nodeId, id, winner!, winner!).catch((error: Error) =>
        this.context.logger.debug?.(`Read repair of node ${nodeId} waits: ${error.message}`),
      );
    await Promise.all(behind.map(send));
  }

  /** What node `nodeId` holds after it joined `record`; it held `held` before. */
  private async joinAt(nodeId: string, id: RecordId, record: KvRecord, held: KvRecord): Promise<KvRecord> {
    const { view, peers, limits } = this.context;
    if (nodeId === view.selfId) {
      return this.replica.join(id.partition, record);
    }
    const ask = { partition: id.partition, record };
    const { newer } = await peers.call(nodeId, 'addOrUpdate', ask, { timeoutMs: limits.peerTimeoutMs });
    return newer ?? (record.version > held.version ? record : held);
  }
}

export function newestOf(copies: readonly Copy[]): Copy | undefined {
  return copies.reduce<Copy | undefined>(
    (best, copy) => ((copy.record?.version ?? '') > (best?.record?.version ?? '') ? copy : (best ?? copy)),
    undefined,
  );
}
