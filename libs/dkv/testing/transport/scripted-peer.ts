/** The peer at the far end of a transport under test: remembers what it was asked and answers as it is told. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type PeerService } from '../../src/ports/controller.js';

export type Script = (request: PeerRequest) => PeerReply | Promise<PeerReply>;

export class ScriptedPeer implements PeerService {
  readonly requests: PeerRequest[] = [];
  private waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(public script: Script) {}

  async serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    this.requests.push(request);
    this.waiting = this.waiting.filter(({ count, resolve }) => {
      if (this.requests.length >= count) {
        resolve();
      }
      return this.requests.length < count;
    });
    return (await this.script(request)) as PeerReply<K>;
  }

  /** Resolves once `count` requests have come in all. */
  async asked(count: number): Promise<void> {
    if (this.requests.length < count) {
      await new Promise<void>((resolve) => this.waiting.push({ count, resolve }));
    }
  }
}
