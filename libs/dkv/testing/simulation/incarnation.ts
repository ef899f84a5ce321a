/** One run of a node's process: what was begun in it ends with it. */

/**
 * From start to kill. Whatever the simulator hands to a node belongs to an incarnation, and does nothing any
 * more once that is dead: no timer fires, no answer arrives, nothing it asks for leaves.
 */
export class Incarnation {
  private readonly mourners = new Set<() => void>();
  private dead = false;
  /** Its event loop stands still until this virtual time: nothing of it runs, nothing is taken in. */
  pausedUntilMs = 0;

  /** `boot` counts the starts of this node, from 1. */
  constructor(
    readonly nodeId: string,
    readonly boot: number,
  ) {}

  get alive(): boolean {
    return !this.dead;
  }

  get name(): string {
    return `${this.nodeId}#${this.boot}`;
  }

  /** Calls `mourner` when this dies, or at once if it has. Returns what takes the wish back. */
  onKill(mourner: () => void): () => void {
    if (this.dead) {
      mourner();
      return () => undefined;
    }
    this.mourners.add(mourner);
    return () => this.mourners.delete(mourner);
  }

  kill(): void {
    if (this.dead) {
      return;
    }
    this.dead = true;
    for (const mourner of this.mourners) {
      mourner();
    }
    this.mourners.clear();
  }

  /** The next run of the same node. */
  next(): Incarnation {
    return new Incarnation(this.nodeId, this.boot + 1);
  }
}

/** What the dead are answered: a promise that never settles. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
