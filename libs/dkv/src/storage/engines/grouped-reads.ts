/** Reads in groups: what is asked for while others are being read goes along in one call, as writes do in one batch. */

/** Calls at a time. Two threads of the engine's pool read, and the others are left for writes. */
const AT_ONCE_MAX = 2;
/** A call of so many takes a millisecond or so where the blocks are in memory. */
const GROUP_MAX = 128;

type Value = Uint8Array | undefined;

interface Waiting {
  readonly key: Uint8Array;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A read by itself is a hop to a thread and back, some 50 µs of CPU; in a group it is a few. Who reads alone waits for
 * nobody.
 */
export class GroupedReads {
  private waiting: Waiting[] = [];
  private underWay = 0;
  private scheduled = false;

  /** `read` gives the values of its keys, in order. */
  constructor(private readonly read: (keys: readonly Uint8Array[]) => Promise<readonly Value[]>) {}

  /** @throws what `read` throws for the group */
  get(key: Uint8Array): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (!this.scheduled && this.underWay < AT_ONCE_MAX && this.waiting.length > 0) {
      this.scheduled = true;
      // What else this turn asks for joins in.
      queueMicrotask(() => {
        this.scheduled = false;
        void this.readGroup(this.waiting.splice(0, GROUP_MAX));
        this.schedule();
      });
    }
  }

  private async readGroup(group: readonly Waiting[]): Promise<void> {
    this.underWay++;
    try {
      const values = await this.read(group.map(({ key }) => key));
      group.forEach(({ resolve }, at) => resolve(values[at]));
    } catch (error) {
      await this.readEach(group, error as Error);
    } finally {
      this.underWay--;
      this.schedule();
    }
  }

  /** One bad block must not fail the reads that happened to come along with it. */
  private async readEach(group: readonly Waiting[], error: Error): Promise<void> {
    if (group.length === 1) {
      group[0]!.reject(error);
      return;
    }
    for (const { key, resolve, reject } of group) {
      await this.read([key]).then(([value]) => resolve(value), reject);
    }
  }
}
