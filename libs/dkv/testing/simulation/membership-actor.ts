/** Changes a simulated cluster at random times: its members, their weights and zones, the number of copies, and the namespaces. */
import { BytesCodec } from '../../src/codec/bytes-codec.js';
import { JsonCodec } from '../../src/codec/json-codec.js';
import { isDkvError } from '../../src/dkv.errors.js';
import { LastWriteWinsMerger } from '../../src/merger/last-write-wins-merger.js';
import { RecordMerger } from '../../src/merger/record-merger.js';
import { type MembershipChange } from '../../src/model/membership.js';
import { type ReplicatedStrongMode } from '../../src/strong/strong-mode.js';
import { type TestCluster } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';

const NEWCOMERS_MAX = 4;
const PAUSE_MS_MAX = 2_500;
const TIMEOUT_MS = 3_000;
const ZONES = ['', 'north', 'south'];
/** One copy alone would be lost with its disk. */
const REPLICAS = [1, 2, 3];
const NAMES = ['carts', 'orders', 'users'];
const CODECS = [new JsonCodec(), new BytesCodec()];

export class MembershipActor {
  private running = false;
  private readonly newcomers: string[] = [];
  /** Changes that were agreed on, as far as whoever asked was told. */
  count = 0;

  constructor(
    private readonly cluster: TestCluster,
    private readonly random: SimRandom,
  ) {}

  begin(): void {
    this.running = true;
    void this.run();
  }

  end(): void {
    this.running = false;
  }

  private async run(): Promise<void> {
    const { random, cluster } = this;
    while (this.running) {
      await cluster.scheduler.sleep(50 + random.int(PAUSE_MS_MAX));
      if (!this.running) {
        return;
      }
      // A cluster is made by nodes that are shown the same members: whoever starts again before must not be shown others.
      if (!cluster.wasBorn) {
        continue;
      }
      if (this.newcomers.length < NEWCOMERS_MAX && random.chance(0.35)) {
        this.add();
      } else if (random.chance(0.25)) {
        this.declare();
      } else {
        await this.ask(this.change());
      }
    }
  }

  /** Lost when the node starts again: it is one then that does not declare it. */
  private declare(): void {
    const { random, cluster } = this;
    const { serves, namespaces } = cluster.node(random.pick(cluster.nodeIds));
    const name = random.pick(NAMES);
    const codec = random.pick(CODECS);
    if (serves && namespaces.askedPlacement(name) === undefined) {
      const merger = new RecordMerger(new LastWriteWinsMerger(), codec);
      namespaces.add({ name, mode: 'strong', placement: random.pick([0, 0, 2]), codec, merger });
    }
  }

  private add(): void {
    const nodeId = String.fromCharCode('p'.charCodeAt(0) + this.newcomers.length);
    this.newcomers.push(nodeId);
    const zone = this.random.pick(ZONES);
    const node = this.cluster.add(nodeId, { zone, weight: this.random.pick([1, 1, 2]) });
    node.start().catch(() => undefined);
  }

  private change(): readonly MembershipChange[] {
    const { random, cluster } = this;
    const nodeId = random.pick(cluster.memberIds);
    switch (random.pick(['leave', 'leave', 'stay', 'weight', 'zone', 'replicas', 'replicas'] as const)) {
      case 'leave':
        return [{ kind: 'leave', nodeId }];
      case 'stay':
        return [{ kind: 'stay', nodeId }];
      case 'weight':
        return [{ kind: 'weight', nodeId, weight: random.pick([0.5, 1, 2]) }];
      case 'zone':
        return [{ kind: 'zone', nodeId, zone: random.pick(ZONES) }];
      case 'replicas':
        return [{ kind: 'replicas', placement: 0, replicas: random.pick(REPLICAS) }];
    }
  }

  private async ask(changes: readonly MembershipChange[]): Promise<void> {
    const { random, cluster } = this;
    const node = cluster.node(random.pick(cluster.nodeIds));
    if (!node.serves) {
      return;
    }
    const { membership } = node.strong as ReplicatedStrongMode;
    const asked = membership.change(changes, TIMEOUT_MS).then(
      () => void this.count++,
      (error: unknown) => {
        if (!isDkvError(error)) {
          throw error;
        }
      },
    );
    // A node that dies under way never answers.
    await Promise.race([asked, cluster.scheduler.sleep(2 * TIMEOUT_MS)]);
  }
}
