/** Collects what is said to each peer in a turn of the event loop, and hands it to the transport as one frame. */
import { ByteWriter } from '../../model/byte-writer.js';
import { type NodeMessage } from '../../model/node-messages.js';
import { type RemoteKvRepo } from '../../ports/remote-kv-repo.js';
import { type ClusterView } from '../cluster-view.js';
import { writeFrameHead, writeMessage } from './node-message-layout.js';

/** A frame leaves early when it has this size: what is long must not wait for the end of the turn. */
const FRAME_BYTES_MAX = 256 * 1024;

interface Draft {
  readonly nodeId: string;
  readonly writer: ByteWriter;
  isEmpty: boolean;
}

/** What frames begin with, apart from their receiver. */
export interface FrameSender {
  /** Node id and incarnation. */
  readonly member: string;
  /** The incarnation of a node as last told; '' where it is not known. */
  incarnationOf(nodeId: string): string;
}

export class Outbox {
  private readonly drafts = new Map<string, Draft>();
  private readonly waiting: Draft[] = [];

  /** `dropped` is told of a node to which a frame could not be handed over. */
  constructor(
    private readonly view: Pick<ClusterView, 'address' | 'configuration'>,
    private readonly remote: Pick<RemoteKvRepo, 'post'>,
    private readonly sender: FrameSender,
    private readonly dropped: (nodeId: string) => void,
  ) {}

  /** Best effort: what is lost on the way is said again by whoever needs it. */
  add(nodeId: string, message: NodeMessage): void {
    let draft = this.drafts.get(nodeId);
    if (!draft) {
      draft = { nodeId, writer: new ByteWriter(), isEmpty: true };
      this.drafts.set(nodeId, draft);
    }
    if (draft.isEmpty) {
      this.begin(draft);
      this.waiting.push(draft);
    }
    writeMessage(draft.writer, message);
    if (draft.writer.length > FRAME_BYTES_MAX) {
      this.send(draft);
      this.waiting.splice(this.waiting.indexOf(draft), 1);
    }
  }

  /** A message of its own frame, on the connection for what is long. False when it was dropped. */
  addBulk(nodeId: string, message: NodeMessage): boolean {
    const writer = new ByteWriter();
    this.begin({ nodeId, writer, isEmpty: true });
    writeMessage(writer, message);
    return this.remote.post(this.view.address(nodeId), writer.take(0), 'bulk');
  }

  /** Ends the turn. */
  flush(): void {
    for (let draft = this.waiting.pop(); draft; draft = this.waiting.pop()) {
      this.send(draft);
    }
  }

  private begin(draft: Draft): void {
    const { writer, nodeId } = draft;
    writer.begin(0);
    const toIncarnation = this.sender.incarnationOf(nodeId);
    writeFrameHead(writer, {
      from: this.sender.member,
      toIncarnation,
      configuration: this.view.configuration,
    });
    draft.isEmpty = false;
  }

  private send(draft: Draft): void {
    draft.isEmpty = true;
    if (!this.remote.post(this.view.address(draft.nodeId), draft.writer.take(0), 'live')) {
      this.dropped(draft.nodeId);
    }
  }
}
