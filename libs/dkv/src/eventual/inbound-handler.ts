/** The inbound side of eventual mode: one entry for everything that another node asks of this one. */
import { type EnvelopeGuard } from '../cluster/envelope-guard.js';
import { DkvError, isDkvError } from '../dkv.errors.js';
import {
  type PeerEnvelope,
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  ROOTS_MAX,
  type WriteResult,
} from '../model/peer-protocol.js';
import { type RecordHeader } from '../model/record.js';
import { rootOf } from './repair/anti-entropy.js';
import { type TombstoneCollection } from './repair/tombstone-collection.js';
import { type CoreContext } from '../cluster/core-context.js';
import { assertAskedInTime } from './asked-in-time.js';
import { type Replica } from './replica.js';

/** Headers in one answer. */
const PAGE = 500;

type Handlers = {
  [K in PeerRequestKind]: (
    ask: PeerProtocol[K]['ask'],
    envelope: PeerEnvelope,
  ) => Promise<PeerProtocol[K]['answer']>;
};

/** Answers to what an operator asks, which are not of eventual namespaces alone. */
export type AdministrationHandlers = {
  [K in 'getGroups' | 'getStatus' | 'transferLeadership']: (
    ask: PeerProtocol[K]['ask'],
  ) => Promise<PeerProtocol[K]['answer']>;
};

export interface InboundParts {
  readonly administration: AdministrationHandlers;
  readonly replica: Replica;
  readonly collection: Pick<TombstoneCollection, 'confirm'>;
  readonly handOver: (nodeId: string, ask: PeerProtocol['handOver']['ask']) => Promise<boolean>;
  readonly forward: (ask: PeerProtocol['forward']['ask'], sentAtMs: number) => Promise<WriteResult>;
}

export class InboundHandler {
  private readonly handlers: Handlers;

  constructor(
    private readonly context: CoreContext,
    private readonly guard: EnvelopeGuard,
    { administration, replica, collection, handOver, forward }: InboundParts,
  ) {
    const { local } = context;
    this.handlers = {
      get: async ({ id, epoch }) => {
        this.assertCounts(id.partition, epoch);
        return { record: await local.get(id) };
      },
      getNoValue: async ({ id, epoch }) => {
        this.assertCounts(id.partition, epoch);
        return { header: await local.getNoValue(id) };
      },
      addOrUpdate: ({ partition, record, epoch }) => replica.addOrUpdate(partition, record, epoch),
      forward: (ask, { sentAtMs }) => forward(ask, sentAtMs),
      getRoots: ({ partitions }) => this.getRoots(partitions),
      getTree: async ({ partition }) => ({
        digests: local.getTree(partition),
        floor: local.floorOf(partition),
        epoch: context.view.epoch,
      }),
      confirmFloor: async (ask) => {
        // The word of a node that holds no copy would count for nothing.
        context.view.assertHolds(ask.partition);
        return collection.confirm(ask);
      },
      handOver: async (ask, { from }) => ({ isWhole: await handOver(from, ask) }),
      getHeaders: (ask) => this.getHeaders(ask),
      ...administration,
    };
  }

  /** @throws DkvError as EnvelopeGuard.check, or of what was asked. */
  async serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    this.guard.check(request);
    try {
      const answer = await this.handlers[request.kind](request.ask, request);
      const { from, configuration, sentAtMs } = this.guard.envelope();
      return { kind: request.kind, from, configuration, sentAtMs, answer };
    } catch (error) {
      throw isDkvError(error, 'DKV_PEER_UNREACHABLE', 'DKV_PEER_DISCONNECTED') ? asOwnTrouble(error) : error;
    }
  }

  /** The answer to a `get` of a record that is in memory; undefined for all else. @throws DkvError as `serve` */
  serveNow(request: PeerRequest): PeerReply<'get'> | undefined {
    if (!isGet(request)) {
      return undefined;
    }
    const { partition, namespace, key } = request.ask.id;
    const hot = this.context.local.peek?.(namespace, key);
    if (hot?.partition !== partition) {
      return undefined;
    }
    this.guard.check(request);
    this.assertCounts(partition, request.ask.epoch);
    const { from, configuration, sentAtMs } = this.guard.envelope();
    return { kind: 'get', from, configuration, sentAtMs, answer: { record: hot.record } };
  }

  /** A copy that counts must be one of the partition, by a configuration that is not over. */
  private assertCounts(partition: number, epoch: number | undefined): void {
    if (epoch !== undefined) {
      assertAskedInTime(this.context, partition, epoch);
    }
  }

  private async getRoots(partitions: readonly number[]): Promise<{ roots: readonly string[] }> {
    if (partitions.length > ROOTS_MAX) {
      throw new DkvError(
        'DKV_PROTOCOL',
        `At most ${ROOTS_MAX} roots at a time, asked for ${partitions.length}.`,
      );
    }
    return { roots: partitions.map((partition) => rootOf(this.context.local, partition)) };
  }

  private async getHeaders(
    ask: PeerProtocol['getHeaders']['ask'],
  ): Promise<PeerProtocol['getHeaders']['answer']> {
    const headers: RecordHeader[] = [];
    for await (const header of this.context.local.getAllNoValue(ask)) {
      headers.push(header);
      if (headers.length === PAGE) {
        return { headers, done: false };
      }
    }
    return { headers, done: true };
  }
}

function isGet(request: PeerRequest): request is PeerRequest<'get'> {
  return request.kind === 'get';
}

/** To the asker these two codes speak of the way to this node; trouble beyond it must not be taken for that. */
function asOwnTrouble(cause: DkvError): DkvError {
  return new DkvError('DKV_TIMEOUT', `Another node did not answer: ${cause.message}`, { cause });
}
