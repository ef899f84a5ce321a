/** One direction between two nodes as a hop on the loopback: all connections that one node opens to the other. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type LinkFault } from './links.js';

interface Passage {
  readonly near: Socket;
  readonly far: Socket;
  /** Bytes of it were swallowed: it can never be whole again. */
  torn: boolean;
}

const DELAY_MS = 150;

export class ProxyLink {
  private fault: LinkFault | undefined;
  private readonly passages = new Set<Passage>();
  /** Chunks that a fault swallowed or delayed so far: who waits for that need not guess how long it takes. */
  disturbed = 0;
  private readonly server: Server;

  private constructor(
    private readonly targetHost: string,
    private readonly targetPort: number,
  ) {
    this.server = createServer((near) => this.accept(near));
  }

  static async open(targetHost: string, targetPort: number): Promise<ProxyLink> {
    const link = new ProxyLink(targetHost, targetPort);
    link.server.listen(0, '127.0.0.1');
    await once(link.server, 'listening');
    return link;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  apply(fault: LinkFault): void {
    this.fault = fault;
    for (const passage of this.passages) {
      if (fault === 'cut') {
        breakOff(passage);
      } else if (fault === 'clog') {
        passage.near.pause();
        passage.far.pause();
      }
    }
  }

  heal(): void {
    this.fault = undefined;
    for (const passage of this.passages) {
      if (passage.torn) {
        breakOff(passage);
      } else {
        passage.near.resume();
        passage.far.resume();
      }
    }
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const passage of this.passages) {
      breakOff(passage);
    }
    await closed;
  }

  private accept(near: Socket): void {
    if (this.fault === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.targetPort, this.targetHost);
    const passage = { near, far, torn: false };
    this.passages.add(passage);
    near.setNoDelay(true);
    far.setNoDelay(true);
    const there = new Lane(near, far);
    const back = new Lane(far, near);
    near.on('error', () => near.destroy());
    far.on('error', () => near.resetAndDestroy());
    near.once('close', () => {
      this.passages.delete(passage);
      far.destroy();
    });
    far.once('close', () => back.pass(undefined, this.lateMs(), this.holds));
    near.on('data', (chunk) => there.pass(chunk, this.lateMs(), this.holds));
    far.on('data', (chunk) => {
      if (this.fault === 'mute') {
        passage.torn = true;
        this.disturbed++;
      } else {
        back.pass(chunk, this.lateMs(), this.holds);
      }
    });
    if (this.holds()) {
      near.pause();
    }
  }

  private readonly holds = () => this.fault === 'clog';

  /** Of a chunk that came now. */
  private lateMs(): number {
    if (this.fault !== 'delay') {
      return 0;
    }
    this.disturbed++;
    return DELAY_MS;
  }
}

/** One direction of one connection: bytes stay in order, whatever becomes of the delay. */
class Lane {
  private late = 0;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
  ) {}

  /** `chunk` undefined: the end. `holds` tells whether nothing may be read on. */
  pass(chunk: Buffer | undefined, lateMs: number, holds: () => boolean): void {
    if (lateMs === 0 && this.late === 0) {
      this.deliver(chunk, holds);
      return;
    }
    this.late++;
    // Timers of one length fire in the order in which they were set.
    setTimeout(() => {
      this.late--;
      this.deliver(chunk, holds);
    }, DELAY_MS);
  }

  private deliver(chunk: Buffer | undefined, holds: () => boolean): void {
    const { from, to } = this;
    if (to.destroyed) {
      return;
    }
    if (chunk === undefined) {
      to.destroySoon();
    } else if (!to.write(chunk)) {
      // A peer that does not read must not fill this process.
      from.pause();
      to.once('drain', () => holds() || from.resume());
    }
  }
}

function breakOff({ near, far }: Passage): void {
  near.resetAndDestroy();
  far.destroy();
}
