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
  private drafts: Draft[] = [];
  private waiting: Draft[] = [];
  /** The highest numbers of frames to nodes that went: should one come back, it still takes no frame twice. */
  private liveFloor = 0;
  private bulkFloor = 0;

  /** `dropped` is told of a node to which a frame could not be handed over. */
  constructor(
    private readonly view: Pick<ClusterView, 'address' | 'configuration' | 'others' | 'onConfiguration'>,
    private readonly remote: Pick<RemoteKvRepo, 'post'>,
    private readonly sender: FrameSender,
    private readonly dropped: (nodeId: string) => void,
  ) {
    view.onConfiguration(() => this.follow());
  }

  /**
   * Best effort: what is lost on the way is said again by whoever needs it. Nothing is said to a node that is neither a member
   * nor a guest: it went while others were still busy with it.
   */
  add(nodeId: string, message: NodeMessage): void {
    const draft = this.draftFor(nodeId);
    if (!draft) {
      return;
    }
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
    const draft = this.draftFor(nodeId);
    if (!draft) {
      return false;
    }
    const writer = new ByteWriter();
    this.begin(draft, writer, true);
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

  /** What was to be said to nodes that went is not said. */
  private follow(): void {
    const { others } = this.view;
    const isThere = (draft: Draft) => others.some(({ nodeId }) => nodeId === draft.nodeId);
    for (const draft of this.drafts) {
      if (!isThere(draft)) {
        this.liveFloor = Math.max(this.liveFloor, draft.liveSequence);
        this.bulkFloor = Math.max(this.bulkFloor, draft.bulkSequence);
      }
    }
    this.drafts = this.drafts.filter(isThere);
    this.waiting = this.waiting.filter(isThere);
  }

  private draftFor(nodeId: string): Draft | undefined {
    for (const draft of this.drafts) {
      if (draft.nodeId === nodeId) {
        return draft;
      }
    }
    if (!this.view.others.some((node) => node.nodeId === nodeId)) {
      return undefined;
    }
    const draft = {
      nodeId,
      writer: new ByteWriter(),
      isEmpty: true,
      liveSequence: this.liveFloor,
      bulkSequence: this.bulkFloor,
    };
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
