/** Reads, writes and compare-and-set on many keys: every key has one writer, which counts, so that a read knows what is too old. */
import { isDkvErrorCode } from '../../libs/dkv/src/dkv.errors.js';
import { outcomeOfError } from '../../libs/dkv/testing/simulation/history.js';
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type Reply } from '../chaos/http-caller.js';
import { type Tally } from './tally.js';

/** A node as the clients see it. */
export interface Served {
  send(method: string, path: string, parts?: { readonly body?: unknown }): Promise<Reply>;
}

/** What a key has to show at least. */
interface KeyState {
  /** The count of the last write that was acknowledged. */
  acknowledged: number;
  /** The count of the last write that was sent. */
  sent: number;
  /** Of the first write whose outcome is not known: it may take effect at any time, and hide later ones. */
  unknown: number;
  /** By which the next compare-and-set goes; undefined after a write that was not acknowledged. */
  version: string | undefined;
}

const READ_SHARE = 0.6;
const COMPARE_SHARE = 0.5;
const FILL = 'x'.repeat(100);

export class VersionedLoad {
  /** Reads at level linearizable that missed a write which was acknowledged before they began. */
  staleReads = 0;
  /** Compare-and-set that was refused though nobody else writes the key. */
  wrongConflicts = 0;
  tally: Tally | undefined;
  private readonly keys: KeyState[];
  private running = true;

  constructor(
    keys: number,
    private readonly clients: number,
    /** Those that serve now; may change. */
    readonly nodes: Served[],
    private readonly random: SimRandom,
  ) {
    this.keys = Array.from({ length: keys }, () => ({
      acknowledged: 0,
      sent: 0,
      unknown: Infinity,
      version: undefined,
    }));
  }

  /** Every key is written once. @throws Error where that fails */
  async fill(): Promise<void> {
    const rest = this.keys.keys();
    const worker = async (client: number) => {
      for (const place of rest) {
        await this.write(client, place);
        if (this.keys[place]!.acknowledged === 0) {
          throw new Error(`Key ${place} could not be written before anything changes.`);
        }
      }
    };
    await Promise.all(Array.from({ length: this.clients }, (_, client) => worker(client)));
  }

  /** Clients work until {@link stop}. */
  run(): Promise<unknown> {
    return Promise.all(Array.from({ length: this.clients }, (_, client) => this.work(client)));
  }

  stop(): void {
    this.running = false;
  }

  /** Keys that do not show their last acknowledged write, read at level linearizable. */
  async lost(): Promise<number> {
    let lost = 0;
    const rest = this.keys.keys();
    const worker = async (client: number) => {
      for (const place of rest) {
        const count = await this.countOf(client, place);
        lost += count !== undefined && count >= floorOf(this.keys[place]!) ? 0 : 1;
      }
    };
    await Promise.all(Array.from({ length: this.clients }, (_, client) => worker(client)));
    return lost;
  }

  private async work(client: number): Promise<void> {
    const random = this.random.fork(`client ${client}`);
    const own = Math.floor(this.keys.length / this.clients);
    while (this.running) {
      if (random.chance(READ_SHARE)) {
        await this.read(random.int(this.nodes.length), random.int(this.keys.length));
      } else {
        await this.write(
          random.int(this.nodes.length),
          random.int(own) * this.clients + client,
          random.chance(COMPARE_SHARE),
        );
      }
    }
  }

  private async read(node: number, place: number): Promise<void> {
    const floor = floorOf(this.keys[place]!);
    const count = await this.countOf(node, place);
    if (count !== undefined && count < floor) {
      this.staleReads++;
    }
  }

  /** Undefined where there was no answer; 0 where there is no value. */
  private async countOf(node: number, place: number): Promise<number | undefined> {
    const reply = await this.send(node, 'GET', `/items/key-${place}?consistency=linearizable`);
    if (reply.kind !== 'answer') {
      return undefined;
    }
    if (reply.body.code === 'DKV_KEY_NOT_FOUND') {
      return 0;
    }
    return reply.status === 200 ? (reply.body.value as { count: number }).count : undefined;
  }

  private async write(node: number, place: number, compares = false): Promise<void> {
    const key = this.keys[place]!;
    const count = ++key.sent;
    const expected = compares ? key.version : undefined;
    const query = expected === undefined ? '' : `?ifVersion=${expected}`;
    const reply = await this.send(node, 'PUT', `/items/key-${place}${query}`, { count, fill: FILL });
    if (reply.kind === 'answer' && reply.status === 200) {
      key.acknowledged = count;
      key.version = reply.body.version;
      return;
    }
    key.version = undefined;
    if (reply.kind === 'answer' && reply.body.code === 'DKV_CONFLICT') {
      this.wrongConflicts += key.unknown === Infinity ? 1 : 0;
    } else if (!isWithoutTrace(reply)) {
      key.unknown = Math.min(key.unknown, count);
    }
  }

  private async send(node: number, method: string, path: string, body?: unknown): Promise<Reply> {
    const startedMs = performance.now();
    const reply = await this.nodes[node % this.nodes.length]!.send(method, path, { body });
    this.tally?.note(reply, performance.now() - startedMs);
    return reply;
  }
}

function floorOf({ acknowledged, unknown }: KeyState): number {
  return Math.min(acknowledged, unknown);
}

/** Whether no trace of the write can ever be read. */
function isWithoutTrace(reply: Reply): boolean {
  if (reply.kind !== 'answer') {
    return reply.kind === 'refused';
  }
  const { code } = reply.body;
  return isDkvErrorCode(code) && outcomeOfError(code, { kind: 'write', value: '' }).kind === 'notApplied';
}
