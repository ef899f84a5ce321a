/** What a group remembers of requests, so that each takes effect once or never: rule 15 of the strong mode. */
import { type ByteReader } from '../model/byte-reader.js';
import { type ByteWriter } from '../model/byte-writer.js';
import { NumberedList } from '../model/numbered-list.js';
import { type Request, type RequestId } from '../model/request.js';

/** What became of a request when it was applied. */
export interface RequestOutcome {
  /** Of the entry that made it so. */
  readonly index: number;
  readonly kind: 'applied' | 'cancelled';
  readonly existed: boolean;
  /** Of the record that it left; 0 for never, or none. */
  readonly expiresAtMs: number;
  /** The value that an increment made, for its caller asks for a number that later ones may have changed; else empty. */
  readonly counted: Uint8Array;
}

/** `stale`: below the lowest number that its node waits for, or of an earlier process run: nobody waits for it. */
export type RequestStanding = RequestOutcome | 'new' | 'stale';

/** Whether the entry at `index` made a request take effect: where it is applied, its node's caller can be told (rule 15). */
export function tookEffectAt(standing: RequestStanding, index: number): standing is RequestOutcome {
  return typeof standing !== 'string' && standing.kind === 'applied' && standing.index === index;
}

interface Session {
  readonly nodeId: string;
  session: number;
  /** Numbers below it are answered, or given up. */
  lowestUnanswered: number;
  /** The highest number that has an outcome: most requests are above it, and need not be looked for. */
  highest: number;
  /** By the number of the request. */
  readonly outcomes: NumberedList<RequestOutcome>;
}

const NODE_ID_LENGTH_MAX = 100;

/**
 * Changed by entries alone, in log order, so it is the same on every member. Holds no more than what was in flight: an
 * outcome goes when a later request of its session says that it is not waited for any more. After Ongaro's
 * dissertation, 6.3, with the outcome kept in place of the response.
 */
export class RequestTable {
  /** One a node that ever asked: so few that looking through them is the quickest way. */
  private readonly sessions: Session[] = [];

  standingOf({ nodeId, session, number }: RequestId): RequestStanding {
    const known = this.find(nodeId);
    if (!known || session > known.session) {
      return 'new';
    }
    if (session < known.session || number < known.lowestUnanswered) {
      return 'stale';
    }
    return number > known.highest ? 'new' : (known.outcomes.get(number) ?? 'new');
  }

  /** The request is decided by the entry that is being applied. It must be `new`. */
  record({ nodeId, session, number, lowestUnanswered }: Request, outcome: RequestOutcome): void {
    let known = this.find(nodeId);
    if (!known) {
      known = { nodeId, session, lowestUnanswered: 0, highest: 0, outcomes: new NumberedList() };
      this.sessions.push(known);
    } else if (known.session !== session) {
      known.session = session;
      known.lowestUnanswered = 0;
      known.highest = 0;
      known.outcomes.clear();
    }
    if (lowestUnanswered > known.lowestUnanswered) {
      known.lowestUnanswered = lowestUnanswered;
      known.outcomes.dropBelow(lowestUnanswered);
    }
    known.highest = Math.max(known.highest, number);
    known.outcomes.set(number, outcome);
  }

  /** The session that counts of a node; 0 for none. */
  sessionOf(nodeId: string): number {
    return this.find(nodeId)?.session ?? 0;
  }

  get size(): number {
    let size = 0;
    for (const { outcomes } of this.sessions) {
      size += outcomes.size;
    }
    return size;
  }

  /** Equal tables give equal bytes, whatever order their sessions were met in. */
  writeTo(writer: ByteWriter): void {
    writer.count(this.sessions.length);
    const sorted = [...this.sessions].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
    for (const { nodeId, session, lowestUnanswered, outcomes } of sorted) {
      writer.ascii(nodeId);
      writer.count(session);
      writer.count(lowestUnanswered);
      writer.count(outcomes.size);
      outcomes.forEach((number, { index, kind, existed, expiresAtMs, counted }) => {
        writer.count(number);
        writer.count(index);
        writer.byte((kind === 'cancelled' ? 1 : 0) | (existed ? 2 : 0));
        writer.count(expiresAtMs);
        writer.block(counted);
      });
    }
  }

  static readFrom(reader: ByteReader): RequestTable {
    const table = new RequestTable();
    for (let left = reader.elements(reader.left); left > 0; left--) {
      const nodeId = reader.ascii(NODE_ID_LENGTH_MAX);
      const session = reader.count();
      const lowestUnanswered = reader.count();
      const outcomes = new NumberedList<RequestOutcome>();
      let highest = 0;
      for (let more = reader.elements(reader.left); more > 0; more--) {
        const number = reader.count();
        highest = Math.max(highest, number);
        const index = reader.count();
        const flags = reader.choice(4);
        outcomes.set(number, {
          index,
          kind: flags & 1 ? 'cancelled' : 'applied',
          existed: (flags & 2) !== 0,
          expiresAtMs: reader.count(),
          counted: reader.bytesOf(Infinity),
        });
      }
      table.sessions.push({ nodeId, session, lowestUnanswered, highest, outcomes });
    }
    return table;
  }

  private find(nodeId: string): Session | undefined {
    for (const known of this.sessions) {
      if (known.nodeId === nodeId) {
        return known;
      }
    }
    return undefined;
  }
}
