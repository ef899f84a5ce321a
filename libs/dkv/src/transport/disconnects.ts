/** Tells those who want to know that the live connection with a node ended: both ends of a transport share one. */

/** Made once a node; the outgoing and the listening side tell it. */
export class Disconnects {
  private readonly listeners: ((nodeId: string) => void)[] = [];
  private silenced = false;

  add(listener: (nodeId: string) => void): void {
    this.listeners.push(listener);
  }

  tell(nodeId: string): void {
    if (!this.silenced) {
      for (const listener of this.listeners) {
        listener(nodeId);
      }
    }
  }

  /** From now on connections end because this node closes, which says nothing about the others. */
  silence(): void {
    this.silenced = true;
  }
}
