/** Which fault comes next, for how long and where: all from one seed. */
import { type SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { type LinkFault } from './links.js';

export type FaultKind =
  | 'kill'
  | 'stop'
  | 'pause'
  | 'lose disk'
  | 'full disk'
  | 'cut one way'
  | 'cut both ways'
  | 'isolate'
  | 'mute'
  | 'clog'
  | 'delay';

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Index of the node that it is about; of a link: the one that sends. */
  readonly node: number;
  /** Index of the node at the other end of the link. */
  readonly peer: number;
  readonly durationMs: number;
  /** Nothing happens for so long after it, so that there is progress. */
  readonly calmMs: number;
  /** A second fault, elsewhere, begins while this one lasts. */
  readonly overlaps: boolean;
}

export interface PlanSettings {
  readonly nodes: number;
  /** The node whose disk can be filled. */
  readonly smallDisk: number | undefined;
  readonly linkFaults: readonly LinkFault[];
  /** Whether the store promises to lose nothing with the disk of one node. */
  readonly losesDisks: boolean;
  /** Everything lasts seconds instead of up to half a minute. */
  readonly short: boolean;
}

const OVERLAP_CHANCE = 0.2;
const LONG = { minMs: 1_000, pauseMaxMs: 30_000, otherMaxMs: 12_000, calmMinMs: 1_000, calmMaxMs: 4_000 };
const SHORT = { minMs: 1_000, pauseMaxMs: 3_000, otherMaxMs: 2_000, calmMinMs: 300, calmMaxMs: 700 };

export class FaultPlan {
  readonly kinds: readonly FaultKind[];
  private deck: FaultKind[] = [];
  private drawn = 0;

  constructor(
    private readonly settings: PlanSettings,
    private readonly random: SimRandom,
  ) {
    const { smallDisk, linkFaults, losesDisks } = settings;
    this.kinds = [
      'kill',
      'stop',
      'pause',
      ...(losesDisks ? (['lose disk'] as const) : []),
      ...(smallDisk === undefined ? [] : (['full disk'] as const)),
      ...(linkFaults.includes('cut') ? (['cut one way', 'cut both ways', 'isolate'] as const) : []),
      ...linkFaults.filter((fault) => fault !== 'cut'),
    ];
  }

  /** Whether every kind was drawn at least once. */
  get complete(): boolean {
    return this.drawn >= this.kinds.length;
  }

  /** As from a pack of cards: every kind comes before one comes again. */
  next(): PlannedFault {
    const { random, settings } = this;
    if (this.deck.length === 0) {
      this.deck = random.shuffle(this.kinds);
    }
    const kind = this.deck.pop()!;
    this.drawn++;
    const span = settings.short ? SHORT : LONG;
    const maxMs = kind === 'pause' ? span.pauseMaxMs : span.otherMaxMs;
    const node = kind === 'full disk' ? settings.smallDisk! : random.int(settings.nodes);
    return {
      kind,
      node,
      peer: (node + 1 + random.int(settings.nodes - 1)) % settings.nodes,
      // As many of 1 to 2 s as of 10 to 20 s.
      durationMs: Math.round(span.minMs * (maxMs / span.minMs) ** random.next()),
      calmMs: Math.round(random.between(span.calmMinMs, span.calmMaxMs)),
      overlaps: random.chance(OVERLAP_CHANCE),
    };
  }
}
