/** The bytes of messages by which clusters are born, change their members, and move partitions. */
import { Buffer } from 'node:buffer';
import { type ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import {
  readConfiguration,
  readMembers,
  writeConfiguration,
  writeMembers,
} from '../../model/member-lists.js';
import { type FirstMembers, type GroupBytes, type NodeMessage } from '../../model/node-messages.js';
import { type ClusterNode } from '../../model/node.js';
import { NODE_ID_PATTERN } from '../../model/version.js';
import { GROUPS_MAX, readList, TEXT_BYTES_MAX } from './message-lists.js';

type MembershipMessage = Extract<
  NodeMessage,
  {
    kind:
      | 'birth'
      | 'birthAccepted'
      | 'birthContested'
      | 'birthWithdrawn'
      | 'born'
      | 'class'
      | 'guest'
      | 'askConfiguration'
      | 'configuration'
      | 'arrived'
      | 'copied'
      | 'copying'
      | 'mayGiveUp'
      | 'giveUp';
  }
>;

const PORT_MAX = 65_535;
const INTENTS = ['ask', 'propose', 'tell'] as const;

export function writeMembershipMessage(to: ByteWriter, message: MembershipMessage): void {
  switch (message.kind) {
    case 'birth':
      to.text(message.clusterId);
      writeFirstMembers(to, message);
      to.count(message.classes.length);
      message.classes.forEach((placement) => to.count(placement));
      to.block(Buffer.from(message.configuration));
      return;
    case 'class':
      to.count(message.placement);
      to.byte(INTENTS.indexOf(message.intent));
      writeFirstMembers(to, message);
      to.flag(message.isBorn);
      return;
    case 'birthAccepted':
    case 'birthContested':
    case 'birthWithdrawn':
    case 'born':
      to.text(message.clusterId);
      return;
    case 'askConfiguration':
      return;
    case 'guest':
      writeNode(to, message.node);
      to.count(message.wishes);
      return;
    case 'configuration':
      to.block(Buffer.from(message.text));
      return;
    case 'copying':
      to.count(message.receivedBytes);
      to.count(message.waitingBytes);
      writeGroupBytes(to, message.sizes);
      writeGroupBytes(to, message.copied);
      return;
    case 'arrived':
      to.count(message.groups.length);
      for (const { group, epoch } of message.groups) {
        to.count(group);
        to.count(epoch);
      }
      return;
    case 'copied':
      to.count(message.places.length);
      for (const { place, epoch } of message.places) {
        to.count(place);
        to.count(epoch);
      }
      to.count(message.emptyAt);
      return;
    case 'mayGiveUp':
      to.count(message.group);
      to.count(message.generation);
      return;
    case 'giveUp':
      to.count(message.group);
      to.count(message.generation);
      to.count(message.index);
      to.count(message.term);
      writeConfiguration(to, message.configuration);
      return;
  }
}

/** @throws DkvError `DKV_PROTOCOL` */
export function readMembershipMessage(from: ByteReader, kind: MembershipMessage['kind']): NodeMessage {
  switch (kind) {
    case 'birth':
      return {
        kind,
        clusterId: from.text(TEXT_BYTES_MAX),
        ...readFirstMembers(from),
        classes: readList(from, GROUPS_MAX, () => from.count()),
        configuration: Buffer.from(from.bytesOf(Infinity)).toString(),
      };
    case 'class':
      return {
        kind,
        placement: from.count(),
        intent: INTENTS[from.choice(INTENTS.length)]!,
        ...readFirstMembers(from),
        isBorn: from.flag(),
      };
    case 'birthAccepted':
    case 'birthContested':
    case 'birthWithdrawn':
    case 'born':
      return { kind, clusterId: from.text(TEXT_BYTES_MAX) };
    case 'askConfiguration':
      return { kind };
    case 'guest':
      return { kind, node: readNode(from), wishes: from.count() };
    case 'configuration':
      return { kind, text: Buffer.from(from.bytesOf(Infinity)).toString() };
    case 'copying':
      return {
        kind,
        receivedBytes: from.count(),
        waitingBytes: from.count(),
        sizes: readGroupBytes(from),
        copied: readGroupBytes(from),
      };
    case 'arrived':
      return {
        kind,
        groups: readList(from, GROUPS_MAX, () => ({ group: from.count(), epoch: from.count() })),
      };
    case 'copied':
      return {
        kind,
        places: readList(from, GROUPS_MAX, () => ({ place: from.count(), epoch: from.count() })),
        emptyAt: from.count(),
      };
    case 'mayGiveUp':
      return { kind, group: from.count(), generation: from.count() };
    case 'giveUp':
      return {
        kind,
        group: from.count(),
        generation: from.count(),
        index: from.count(),
        term: from.count(),
        configuration: readConfiguration(from, GROUPS_MAX),
      };
    default:
      throw malformed('a message is of no known kind');
  }
}

function writeGroupBytes(to: ByteWriter, list: readonly GroupBytes[]): void {
  to.count(list.length);
  for (const { group, bytes } of list) {
    to.count(group);
    to.count(bytes);
  }
}

function readGroupBytes(from: ByteReader): readonly GroupBytes[] {
  return readList(from, GROUPS_MAX, () => ({ group: from.count(), bytes: from.count() }));
}

function writeFirstMembers(to: ByteWriter, { members, lists }: FirstMembers): void {
  writeMembers(to, members);
  to.count(lists.length);
  for (const list of lists) {
    to.count(list.length);
    list.forEach((place) => to.count(place));
  }
}

function writeNode(to: ByteWriter, { nodeId, host, port, weight, zone }: ClusterNode): void {
  to.text(nodeId);
  to.text(host);
  to.count(port);
  to.double(weight);
  to.text(zone);
}

function readFirstMembers(from: ByteReader): FirstMembers {
  return {
    members: readMembers(from, GROUPS_MAX),
    lists: readList(from, GROUPS_MAX, () => readList(from, GROUPS_MAX, () => from.count())),
  };
}

/** @throws DkvError `DKV_PROTOCOL` for one that could be no member */
function readNode(from: ByteReader): ClusterNode {
  const node = {
    nodeId: from.text(TEXT_BYTES_MAX),
    host: from.text(TEXT_BYTES_MAX),
    port: from.count(),
    weight: from.double(),
    zone: from.text(TEXT_BYTES_MAX),
  };
  const isNode = NODE_ID_PATTERN.test(node.nodeId) && node.host !== '' && node.port <= PORT_MAX;
  if (!isNode || !(node.weight > 0)) {
    throw malformed('a node is none');
  }
  return node;
}
