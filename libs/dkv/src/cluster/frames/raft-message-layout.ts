/** The bytes of Raft's messages. */
import { type ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import { readMembers, writeMembers } from '../../model/member-lists.js';
import { ENTRY_KINDS, type LogEntry, type MemberId, type RaftMessage } from '../../model/raft-messages.js';

const TYPES = [
  'append',
  'appended',
  'appendRejected',
  'heartbeat',
  'snapshot',
  'preVote',
  'preVoteReply',
  'vote',
  'voteReply',
  'timeoutNow',
] as const satisfies readonly RaftMessage['type'][];

const MEMBERS_MAX = 255;

export function writeRaftMessage(to: ByteWriter, message: RaftMessage): void {
  to.byte(TYPES.indexOf(message.type));
  to.count(message.term);
  switch (message.type) {
    case 'append':
      to.count(message.prevIndex);
      to.count(message.prevTerm);
      to.count(message.commit);
      to.count(message.durable);
      to.count(message.matchedByAll);
      to.count(message.entries.length);
      for (let at = 0; at < message.entries.length; at++) {
        const { term, kind, data } = message.entries[at]!;
        to.count(term);
        to.byte(ENTRY_KINDS.indexOf(kind));
        to.block(data);
      }
      return;
    case 'appended':
      to.count(message.index);
      return;
    case 'appendRejected':
      to.count(message.prevIndex);
      to.count(message.hintIndex);
      to.count(message.hintTerm);
      return;
    case 'heartbeat':
      to.count(message.commit);
      return;
    case 'snapshot':
      to.count(message.index);
      to.count(message.snapshotTerm);
      return;
    case 'preVote':
      to.count(message.lastIndex);
      to.count(message.lastTerm);
      writeMembers(to, message.survivors ?? []);
      return;
    case 'vote':
      to.count(message.lastIndex);
      to.count(message.lastTerm);
      to.flag(message.transfer);
      writeMembers(to, message.survivors ?? []);
      return;
    case 'preVoteReply':
    case 'voteReply':
      to.flag(message.granted);
      return;
    case 'timeoutNow':
      return;
  }
}

/** Data of entries is copied: entries live longer than the frame. @throws DkvError `DKV_PROTOCOL` */
export function readRaftMessage(from: ByteReader): RaftMessage {
  const type = TYPES[from.choice(TYPES.length)]!;
  const term = from.count();
  switch (type) {
    case 'append': {
      const prevIndex = from.count();
      const prevTerm = from.count();
      const commit = from.count();
      const durable = from.count();
      const matchedByAll = from.count();
      const entries: LogEntry[] = [];
      const count = from.elements(from.left);
      for (let position = 1; position <= count; position++) {
        const entryTerm = from.count();
        const kind = ENTRY_KINDS[from.choice(ENTRY_KINDS.length)]!;
        entries.push({ term: entryTerm, index: prevIndex + position, kind, data: from.bytesOf(Infinity) });
      }
      return { type, term, prevIndex, prevTerm, commit, durable, matchedByAll, entries };
    }
    case 'appended':
      return { type, term, index: from.count() };
    case 'appendRejected':
      return { type, term, prevIndex: from.count(), hintIndex: from.count(), hintTerm: from.count() };
    case 'heartbeat':
      return { type, term, commit: from.count() };
    case 'snapshot':
      return { type, term, index: from.count(), snapshotTerm: from.count() };
    case 'preVote':
      return { type, term, lastIndex: from.count(), lastTerm: from.count(), ...readSurvivors(from) };
    case 'vote': {
      const [lastIndex, lastTerm, transfer] = [from.count(), from.count(), from.flag()];
      return { type, term, lastIndex, lastTerm, transfer, ...readSurvivors(from) };
    }
    case 'preVoteReply':
    case 'voteReply':
      return { type, term, granted: from.flag() };
    case 'timeoutNow':
      return { type, term };
    default:
      throw malformed('a message of a group is of no known type');
  }
}

function readSurvivors(from: ByteReader): { readonly survivors?: readonly MemberId[] } {
  const survivors = readMembers(from, MEMBERS_MAX);
  return survivors.length > 0 ? { survivors } : {};
}
