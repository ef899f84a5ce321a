/** Changes the members of a simulated cluster at random times: nodes join, leave, stay after all, and get other weights and zones. */
import { isDkvError } from '../../src/dkv.errors.js';
import { type MembershipChange } from '../../src/model/membership.js';
import { type ReplicatedStrongMode } from '../../src/strong/strong-mode.js';
import { type TestCluster } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';

const NEWCOMERS_MAX = 4;
const PAUSE_MS_MAX = 2_500;
const TIMEOUT_MS = 3_000;
const ZONES = ['', 'north', 'south'];

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
      if (!cluster.configuration) {
        continue;
      }
      if (this.newcomers.length < NEWCOMERS_MAX && random.chance(0.35)) {
        this.add();
      } else {
        await this.ask(this.change());
      }
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
    switch (random.pick(['leave', 'leave', 'stay', 'weight', 'zone'] as const)) {
      case 'leave':
        return [{ kind: 'leave', nodeId }];
      case 'stay':
        return [{ kind: 'stay', nodeId }];
      case 'weight':
        return [{ kind: 'weight', nodeId, weight: random.pick([0.5, 1, 2]) }];
      case 'zone':
        return [{ kind: 'zone', nodeId, zone: random.pick(ZONES) }];
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
