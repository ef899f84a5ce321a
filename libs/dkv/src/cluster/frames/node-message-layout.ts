/** The bytes of one-way frames: a head, then one message after the other. */
import { asBuffer, ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import { KnownTexts } from '../../model/known-texts.js';
import { STORED_KEY_BYTES_MAX, NAMESPACE_BYTES_MAX } from '../../model/key.js';
import {
  MEMBER_BYTES_MAX,
  readConfiguration,
  readMembers,
  writeConfiguration,
  writeMembers,
} from '../../model/member-lists.js';
import {
  type FrameHead,
  type GroupReport,
  lentMessage,
  type NodeMessage,
} from '../../model/node-messages.js';
import {
  readAnswer,
  readAsk,
  readKeyedRecord,
  writeAnswer,
  writeAsk,
  writeKeyedRecord,
} from './ask-layout.js';
import { GROUPS_MAX, readList, TEXT_BYTES_MAX } from './message-lists.js';
import { readMembershipMessage, writeMembershipMessage } from './membership-message-layout.js';
import { readRaftMessage, writeRaftMessage } from './raft-message-layout.js';

const KINDS = [
  'raft',
  'ask',
  'answer',
  'confirm',
  'confirmed',
  'heartbeat',
  'askLed',
  'led',
  'fetch',
  'page',
  'birth',
  'birthAccepted',
  'born',
  'class',
  'recoverAsk',
  'recoverReport',
  'recoverBegin',
  'goodbye',
  'guest',
  'askConfiguration',
  'configuration',
  'arrived',
  'mayGiveUp',
  'giveUp',
  'copied',
  'birthContested',
  'birthWithdrawn',
  'copying',
] as const satisfies readonly NodeMessage['kind'][];

const PAGES = ['none', 'page', 'later'] as const;
const FRAME_VERSION = 1;
const members = new KnownTexts();
const incarnations = new KnownTexts();
const configurations = new KnownTexts();

export function writeFrameHead(to: ByteWriter, head: FrameHead): void {
  to.byte(FRAME_VERSION);
  to.flag(head.isBulk);
  to.text(head.from);
  to.count(head.session);
  to.ascii(head.toIncarnation);
  to.count(head.toSession);
  to.count(head.sequence);
  to.text(head.configuration);
}

/**
 * Hands the messages of a frame to `each`, in order; what is in them is theirs to keep, the message itself is lent for the
 * call.
 * @throws DkvError `DKV_PROTOCOL`, when what came before was handed on
 */
export function readFrame(
  frame: Uint8Array,
  begin: (head: FrameHead) => boolean,
  each: (message: NodeMessage) => void,
): void {
  const reader = new ByteReader(asBuffer(frame));
  if (reader.byte() !== FRAME_VERSION) {
    throw malformed('its frame is of another version');
  }
  const head: FrameHead = {
    isBulk: reader.flag(),
    from: reader.knownText(members, MEMBER_BYTES_MAX),
    session: reader.count(),
    toIncarnation: reader.knownText(incarnations, MEMBER_BYTES_MAX),
    toSession: reader.count(),
    sequence: reader.count(),
    configuration: reader.knownText(configurations, TEXT_BYTES_MAX),
  };
  if (!begin(head)) {
    return;
  }
  while (reader.left > 0) {
    each(readMessage(reader));
  }
}

export function writeMessage(to: ByteWriter, message: NodeMessage): void {
  to.byte(KINDS.indexOf(message.kind));
  switch (message.kind) {
    case 'raft':
      to.count(message.group);
      to.count(message.generation);
      writeRaftMessage(to, message.message);
      return;
    case 'ask':
      to.count(message.slot);
      to.count(message.group);
      writeAsk(to, message.ask);
      return;
    case 'answer':
      to.count(message.slot);
      writeAnswer(to, message.answer);
      return;
    case 'confirm':
      to.count(message.round);
      to.count(message.groups.length);
      for (const { group, generation, term } of message.groups) {
        to.count(group);
        to.count(generation);
        to.count(term);
      }
      return;
    case 'confirmed':
      to.count(message.round);
      to.count(message.exceptions.length);
      message.exceptions.forEach((group) => to.count(group));
      return;
    case 'heartbeat':
      to.double(message.sentAtMs);
      to.count(message.stampMs);
      to.count(message.echoMs);
      to.count(message.echoAgeMs);
      to.text(message.clusterId);
      to.count(message.epoch);
      to.text(message.fingerprint);
      to.count(message.durablePosition);
      to.count(message.rememberedPosition);
      to.count(message.lastPosition);
      to.count(message.lastSession);
      to.text(message.rememberedIncarnation);
      to.flag(message.isFit);
      to.flag(message.isReady);
      to.flag(message.isWritable);
      to.count(message.ledNumber);
      to.count(message.missedFrames);
      return;
    case 'askLed':
    case 'goodbye':
      return;
    case 'led':
      to.count(message.number);
      to.count(message.groups.length);
      for (const { group, term } of message.groups) {
        to.count(group);
        to.count(term);
      }
      to.count(message.withoutQuorum.length);
      message.withoutQuorum.forEach((group) => to.count(group));
      return;
    case 'fetch':
      to.count(message.slot);
      to.count(message.group);
      to.count(message.generation);
      to.count(message.logStart.index);
      to.count(message.logStart.term);
      to.flag(message.after !== undefined);
      if (message.after) {
        to.text(message.after.namespace);
        to.text(message.after.key);
      }
      return;
    case 'page':
      to.count(message.slot);
      to.byte(
        PAGES.indexOf(message.page === undefined ? 'none' : message.page === 'later' ? 'later' : 'page'),
      );
      if (message.page && message.page !== 'later') {
        const { index, state, readAtIndex, records, done } = message.page;
        to.count(index);
        to.block(state);
        to.count(readAtIndex);
        to.count(records.length);
        records.forEach((record) => writeKeyedRecord(to, record));
        to.flag(done);
      }
      return;
    case 'recoverAsk':
      to.count(message.group);
      to.count(message.generation);
      return;
    case 'recoverReport':
      to.count(message.group);
      to.count(message.generation);
      writeReport(to, message.report);
      return;
    case 'recoverBegin':
      to.count(message.group);
      to.count(message.generation);
      to.count(message.term);
      writeMembers(to, message.members);
      return;
    default:
      writeMembershipMessage(to, message);
  }
}

function writeReport(to: ByteWriter, report: GroupReport): void {
  const { configuration, incarnations } = report;
  to.count(report.generation);
  to.flag(report.isLed);
  to.count(report.term);
  to.count(report.lastTerm);
  to.count(report.lastIndex);
  to.flag(report.isWhole);
  writeConfiguration(to, configuration);
  writeMembers(to, incarnations);
  to.flag(report.isVolatile);
  to.count(report.promised);
  to.flag(report.holds);
}

const lent = lentMessage();

function readMessage(from: ByteReader): NodeMessage {
  const kind = KINDS[from.choice(KINDS.length)]!;
  switch (kind) {
    case 'raft':
      lent.group = from.count();
      lent.generation = from.count();
      lent.message = readRaftMessage(from);
      return lent;
    case 'ask':
      return { kind, slot: from.count(), group: from.count(), ask: readAsk(from) };
    case 'answer':
      return { kind, slot: from.count(), answer: readAnswer(from) };
    case 'confirm': {
      const round = from.count();
      const groups = readList(from, GROUPS_MAX, () => ({
        group: from.count(),
        generation: from.count(),
        term: from.count(),
      }));
      return { kind, round, groups };
    }
    case 'confirmed':
      return { kind, round: from.count(), exceptions: readList(from, GROUPS_MAX, () => from.count()) };
    case 'heartbeat':
      return {
        kind,
        sentAtMs: from.double(),
        stampMs: from.count(),
        echoMs: from.count(),
        echoAgeMs: from.count(),
        clusterId: from.text(TEXT_BYTES_MAX),
        epoch: from.count(),
        fingerprint: from.text(TEXT_BYTES_MAX),
        durablePosition: from.count(),
        rememberedPosition: from.count(),
        lastPosition: from.count(),
        lastSession: from.count(),
        rememberedIncarnation: from.text(MEMBER_BYTES_MAX),
        isFit: from.flag(),
        isReady: from.flag(),
        isWritable: from.flag(),
        ledNumber: from.count(),
        missedFrames: from.count(),
      };
    case 'askLed':
    case 'goodbye':
      return { kind };
    case 'led': {
      const number = from.count();
      return {
        kind,
        number,
        groups: readList(from, GROUPS_MAX, () => ({ group: from.count(), term: from.count() })),
        withoutQuorum: readList(from, GROUPS_MAX, () => from.count()),
      };
    }
    case 'fetch': {
      const slot = from.count();
      const group = from.count();
      const generation = from.count();
      const logStart = { index: from.count(), term: from.count() };
      const after = from.flag()
        ? { namespace: from.text(NAMESPACE_BYTES_MAX), key: from.text(STORED_KEY_BYTES_MAX) }
        : undefined;
      return { kind, slot, group, generation, logStart, after };
    }
    case 'page': {
      const slot = from.count();
      const sort = PAGES[from.choice(PAGES.length)]!;
      if (sort !== 'page') {
        return { kind, slot, page: sort === 'later' ? sort : undefined };
      }
      const index = from.count();
      const state = from.bytesOf(Infinity);
      const readAtIndex = from.count();
      const records = readList(from, GROUPS_MAX, () => readKeyedRecord(from));
      return { kind, slot, page: { index, state, readAtIndex, records, done: from.flag() } };
    }
    case 'recoverAsk':
      return { kind, group: from.count(), generation: from.count() };
    case 'recoverReport':
      return { kind, group: from.count(), generation: from.count(), report: readReport(from) };
    case 'recoverBegin':
      return {
        kind,
        group: from.count(),
        generation: from.count(),
        term: from.count(),
        members: readMembers(from, GROUPS_MAX),
      };
    default:
      return readMembershipMessage(from, kind);
  }
}

function readReport(from: ByteReader): GroupReport {
  return {
    generation: from.count(),
    isLed: from.flag(),
    term: from.count(),
    lastTerm: from.count(),
    lastIndex: from.count(),
    isWhole: from.flag(),
    configuration: readConfiguration(from, GROUPS_MAX),
    incarnations: readMembers(from, GROUPS_MAX),
    isVolatile: from.flag(),
    promised: from.count(),
    holds: from.flag(),
  };
}
