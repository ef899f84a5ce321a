/** One-way frames over HTTP: those that wait for a peer go together, in the body of one request at a time. */
import { type ClusterNode } from '../../model/node.js';
import { type Clock } from '../../ports/clock.js';
import { type PostLane } from '../../ports/remote-kv-repo.js';
import { sizeInBody, writePostedBody } from './posted-body.js';

export interface HttpPostsActions {
  /** Resolves when the peer has taken `body`; rejects if that is not known. */
  carry(to: ClusterNode, lane: PostLane, body: Buffer, timeoutMs: number): Promise<void>;
  /** Frames for it were taken before, and these were not. */
  disconnected(nodeId: string): void;
}

/** A body has so many bytes or one frame: at 100 Mbit/s it is gone within 22 ms, and a heartbeat waits for two. */
const BODY_BYTES = 256 * 1024;
/** Bytes that wait or are under way, past which a lane takes no more. */
const UNSENT_BYTES_MAX: Record<PostLane, number> = { live: 512 * 1024, bulk: 4 * 1024 * 1024 };
const TIMEOUT_MS = 3000;
/** After a failure, before the peer is tried again. */
const PAUSE_MS = 500;
/** Peers that moved leave a lane behind at their old address: past so many, those that are closed are forgotten. */
const LANES_KEPT = 128;

/**
 * HTTP has no connection to speak of: a lane is open from a request that the peer took to one that it did not. What such a
 * request carried, and what waited behind it, is dropped: it may have arrived, and must not arrive twice.
 */
export class HttpPosts {
  private readonly lanes = new Map<string, Lane>();

  constructor(
    private readonly clock: Clock,
    private readonly postBytesMax: number,
    private readonly actions: HttpPostsActions,
  ) {}

  /** As `RemoteKvRepo.post`. */
  post(to: ClusterNode, frame: Uint8Array, lane: PostLane): boolean {
    if (frame.length > this.postBytesMax) {
      throw new TypeError(
        `A frame of ${frame.length} bytes cannot be posted to node ${to.nodeId}, ${this.postBytesMax} are allowed. Post ` +
          `less at a time.`,
      );
    }
    return this.laneTo(to, lane).post(frame);
  }

  /** Resolves when all that was taken was carried, or dropped. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.lanes.values(), async ({ carrying }) => carrying));
  }

  private laneTo(to: ClusterNode, name: PostLane): Lane {
    const address = `${name} ${to.nodeId}@${to.host}:${to.port}`;
    let lane = this.lanes.get(address);
    if (!lane) {
      if (this.lanes.size >= LANES_KEPT) {
        this.forgetClosed();
      }
      lane = new Lane(to, name, this.clock, this.actions);
      this.lanes.set(address, lane);
    }
    return lane;
  }

  private forgetClosed(): void {
    for (const [address, lane] of this.lanes) {
      if (lane.isClosed) {
        this.lanes.delete(address);
      }
    }
  }
}

class Lane {
  private state: 'closed' | 'opening' | 'open' = 'closed';
  private waiting: Uint8Array[] = [];
  private unsentBytes = 0;
  /** While something is under way. */
  carrying: Promise<void> | undefined;
  private retryAtMs = -Infinity;

  constructor(
    private readonly to: ClusterNode,
    private readonly name: PostLane,
    private readonly clock: Clock,
    private readonly actions: HttpPostsActions,
  ) {}

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  post(frame: Uint8Array): boolean {
    if (this.state !== 'open') {
      if (this.state === 'closed' && this.clock.monotonic() >= this.retryAtMs) {
        this.state = 'opening';
        this.carrying = this.carry();
      }
      return false;
    }
    if (this.unsentBytes >= UNSENT_BYTES_MAX[this.name]) {
      return false;
    }
    this.waiting.push(frame);
    this.unsentBytes += sizeInBody(frame);
    this.carrying ??= this.carry();
    return true;
  }

  /** Carries what waits, body after body; with nothing waiting an empty one, which finds out if the peer is there. */
  private async carry(): Promise<void> {
    try {
      do {
        // What the caller posts in this turn goes into one body.
        await Promise.resolve();
        const body = writePostedBody(this.takeBody());
        await this.actions.carry(this.to, this.name, body, TIMEOUT_MS);
        this.unsentBytes -= body.length;
        this.state = 'open';
      } while (this.waiting.length > 0);
    } catch {
      this.fail();
    } finally {
      this.carrying = undefined;
    }
  }

  private takeBody(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    while (
      count < this.waiting.length &&
      (count === 0 || bytes + sizeInBody(this.waiting[count]!) <= BODY_BYTES)
    ) {
      bytes += sizeInBody(this.waiting[count++]!);
    }
    return this.waiting.splice(0, count);
  }

  private fail(): void {
    const wasOpen = this.state === 'open';
    this.state = 'closed';
    this.waiting = [];
    this.unsentBytes = 0;
    this.retryAtMs = this.clock.monotonic() + PAUSE_MS;
    if (wasOpen && this.name === 'live') {
      this.actions.disconnected(this.to.nodeId);
    }
  }
}
