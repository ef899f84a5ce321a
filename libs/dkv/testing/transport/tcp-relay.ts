/** A loopback hop between two ends of a transport, where a test breaks connections the way networks do. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Link {
  readonly near: Socket;
  readonly far: Socket;
}

export class TcpRelay {
  private readonly links = new Set<Link>();
  private readonly server: Server;
  private whenIdle: (() => void)[] = [];
  private isHoldingAnswers = false;

  /** `targetPort` is where connections made from now on lead to; undefined: they are accepted and reset. */
  private constructor(public targetPort: number | undefined) {
    this.server = createServer((near) => this.accept(near));
  }

  static async to(targetPort: number | undefined): Promise<TcpRelay> {
    const relay = new TcpRelay(targetPort);
    relay.server.listen(0, '127.0.0.1');
    await once(relay.server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.links.size;
  }

  /** Both sides see a reset, as when the peer's process dies. */
  reset(): void {
    for (const { near, far } of this.links) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  /**
   * The far side goes without the near side noticing until it next sends, as when a machine is lost and another
   * has its address.
   */
  sever(): void {
    for (const { near, far } of this.links) {
      near.unpipe();
      far.unpipe();
      far.removeAllListeners('close');
      far.destroy();
      near.on('data', () => near.resetAndDestroy());
      near.resume();
    }
  }

  /** Passes nothing more on of what the near side sends on the newest connection, until the answer is called. */
  holdNewest(): () => void {
    const { near, far } = [...this.links].at(-1)!;
    near.unpipe(far);
    near.pause();
    return () => void near.pipe(far);
  }

  /** Passes nothing on of what the far side sends, on any connection, until the answer is called. */
  holdAnswers(): () => void {
    this.isHoldingAnswers = true;
    for (const { near, far } of this.links) {
      far.unpipe(near);
    }
    return () => {
      this.isHoldingAnswers = false;
      for (const { near, far } of this.links) {
        far.pipe(near);
      }
    };
  }

  /** Resolves once no connection is left on the near side: whatever its client was told, it has noticed. */
  async idle(): Promise<void> {
    if (this.links.size > 0) {
      await new Promise<void>((resolve) => this.whenIdle.push(resolve));
    }
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.reset();
    await closed;
  }

  private accept(near: Socket): void {
    if (this.targetPort === undefined) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.targetPort, '127.0.0.1');
    const link = { near, far };
    this.links.add(link);
    // What breaks shows as a close of the other side.
    near.on('error', () => near.destroy());
    far.on('error', () => near.resetAndDestroy());
    near.once('close', () => {
      far.destroy();
      this.forget(link);
    });
    far.once('close', () => near.destroySoon());
    near.pipe(far);
    if (!this.isHoldingAnswers) {
      far.pipe(near);
    }
  }

  private forget(link: Link): void {
    this.links.delete(link);
    if (this.links.size === 0) {
      for (const resolve of this.whenIdle.splice(0)) {
        resolve();
      }
    }
  }
}
