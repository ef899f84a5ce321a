/** The peer at the far end of a transport under test: remembers what came in and answers as it is told. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type PeerService } from '../../src/ports/controller.js';

export type Script = (request: PeerRequest) => PeerReply | Promise<PeerReply>;

interface Waiting {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

export class ScriptedPeer implements PeerService {
  readonly requests: PeerRequest[] = [];
  /** Copies of the frames, in the order in which they came. */
  readonly frames: { readonly from: string; readonly frame: Uint8Array }[] = [];
  private waiting: Waiting[] = [];

  constructor(public script: Script) {}

  async serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    this.requests.push(request);
    this.wake();
    return (await this.script(request)) as PeerReply<K>;
  }

  receive(from: string, frame: Uint8Array): void {
    this.frames.push({ from, frame: new Uint8Array(frame) });
    this.wake();
  }

  /** Resolves once `count` requests have come in all. */
  asked(count: number): Promise<void> {
    return this.until(() => this.requests.length >= count);
  }

  /** Resolves once `count` frames have come in all. */
  posted(count: number): Promise<void> {
    return this.until(() => this.frames.length >= count);
  }

  /** Resolves once this holds, looked at whenever something comes in. */
  async until(holds: () => boolean): Promise<void> {
    if (!holds()) {
      await new Promise<void>((resolve) => this.waiting.push({ holds, resolve }));
    }
  }

  private wake(): void {
    this.waiting = this.waiting.filter(({ holds, resolve }) => {
      const isDone = holds();
      if (isDone) {
        resolve();
      }
      return !isDone;
    });
  }
}
