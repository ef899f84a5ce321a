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
  /** Of the last frame, by lane. */
  liveSequence: number;
  bulkSequence: number;
}

/** What frames begin with, apart from their receiver. */
export interface FrameSender {
  /** Node id and incarnation. */
  readonly member: string;
  readonly session: number;
  /** The incarnation and the process run of a node as last told; '' and 0 where they are not known. */
  peer(nodeId: string): { readonly incarnation: string; readonly session: number };
}

export class Outbox {
  /** One a peer. */
  private readonly drafts: Draft[] = [];
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
    const draft = this.draftFor(nodeId);
    if (draft.isEmpty) {
      this.begin(draft, draft.writer, false);
      draft.isEmpty = false;
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
    this.begin(this.draftFor(nodeId), writer, true);
    writeMessage(writer, message);
    return this.remote.post(this.view.address(nodeId), writer.take(0), 'bulk');
  }

  /** Whether nothing is to be said at the end of this turn. */
  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** To whom a frame leaves at the end of this turn, as far as that is known. */
  get receivers(): readonly { readonly nodeId: string }[] {
    return this.waiting;
  }

  /** Ends the turn. */
  flush(): void {
    for (let draft = this.waiting.pop(); draft; draft = this.waiting.pop()) {
      this.send(draft);
    }
  }

  private draftFor(nodeId: string): Draft {
    for (const draft of this.drafts) {
      if (draft.nodeId === nodeId) {
        return draft;
      }
    }
    const draft = { nodeId, writer: new ByteWriter(), isEmpty: true, liveSequence: 0, bulkSequence: 0 };
    this.drafts.push(draft);
    return draft;
  }

  private begin(draft: Draft, writer: ByteWriter, isBulk: boolean): void {
    const { sender } = this;
    const { nodeId } = draft;
    const { incarnation: toIncarnation, session: toSession } = sender.peer(nodeId);
    writer.begin(0);
    writeFrameHead(writer, {
      isBulk,
      from: sender.member,
      session: sender.session,
      toIncarnation,
      toSession,
      sequence: isBulk ? ++draft.bulkSequence : ++draft.liveSequence,
      configuration: this.view.configuration,
    });
  }

  private send(draft: Draft): void {
    draft.isEmpty = true;
    if (!this.remote.post(this.view.address(draft.nodeId), draft.writer.take(0), 'live')) {
      this.dropped(draft.nodeId);
    }
  }
}
