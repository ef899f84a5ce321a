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
import {
  type FirstCluster,
  type FirstMembers,
  type GroupBytes,
  type NodeMessage,
} from '../../model/node-messages.js';
import { type ClusterNode } from '../../model/node.js';
import { nodeOf } from '../../model/raft-messages.js';
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
      to.count(message.nodes.length);
      message.nodes.forEach((node) => writeNode(to, node));
      to.count(message.preferredZones.length);
      message.preferredZones.forEach((zone) => to.text(zone));
      to.count(message.classes.length);
      message.classes.forEach((copies) => to.count(copies));
      return;
    case 'class':
      to.count(message.copies);
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
        ...readFirstCluster(from),
        classes: readList(from, GROUPS_MAX, () => from.count()),
      };
    case 'class':
      return {
        kind,
        copies: from.count(),
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

/** @throws DkvError `DKV_PROTOCOL` for one whose lists name nodes that it has not, or whose nodes are not those of its members */
function readFirstCluster(from: ByteReader): FirstCluster {
  const first = readFirstMembers(from);
  const nodes = readList(from, GROUPS_MAX, () => readNode(from));
  const isWhole =
    first.members.length === nodes.length &&
    first.members.every((member, place) => nodeOf(member) === nodes[place]!.nodeId) &&
    first.lists.every((list) => list.every((place) => place < nodes.length));
  if (!isWhole) {
    throw malformed('a proposed cluster is none');
  }
  return { ...first, nodes, preferredZones: readList(from, GROUPS_MAX, () => from.text(TEXT_BYTES_MAX)) };
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
