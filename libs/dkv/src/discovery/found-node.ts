/** A node as a service tells of it: text and numbers of others, until they are looked at. */
import { DkvError } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { NODE_ID_PATTERN } from '../model/version.js';

const ZONE_LENGTH_MAX = 100;

/** What is wrong with a node, for people; undefined where nothing is. */
export function faultOf({ nodeId, host, port, weight, zone }: ClusterNode): string | undefined {
  if (!NODE_ID_PATTERN.test(nodeId)) {
    return `${JSON.stringify(nodeId)} is no node id: 1 to 100 characters of A-Z a-z 0-9 . _ - are.`;
  }
  if (!/^\S+$/.test(host) || !Number.isInteger(port) || port < 1 || port > 65_535) {
    return `Node ${nodeId} has no valid address: ${host}:${port}.`;
  }
  if (!(weight > 0 && Number.isFinite(weight))) {
    return `Node ${nodeId} has weight ${weight}; a weight is above 0.`;
  }
  return zone.length > ZONE_LENGTH_MAX
    ? `Node ${nodeId} has a zone of ${zone.length} characters; at most ${ZONE_LENGTH_MAX} are allowed.`
    : undefined;
}

/** @throws DkvError `DKV_INVALID_OPTIONS` */
export function assertNode(node: ClusterNode): void {
  const fault = faultOf(node);
  if (fault !== undefined) {
    throw new DkvError('DKV_INVALID_OPTIONS', fault);
  }
}

/** What a registry keeps of a node beside its id, as texts: some services take no others. */
export interface Announcement {
  readonly host: string;
  readonly port: string;
  readonly weight: string;
  readonly zone: string;
}

export function announcementOf({ host, port, weight, zone }: ClusterNode): Announcement {
  return { host, port: String(port), weight: String(weight), zone };
}

/** The node of an announcement, of whatever shape: what is wrong with it is found by {@link faultOf}. */
export function announcedNode(nodeId: string, announced: unknown): ClusterNode {
  const { host, port, weight, zone } = (announced ?? {}) as Partial<Record<keyof Announcement, unknown>>;
  return {
    nodeId,
    host: textOf(host),
    port: numberOf(port, Number.NaN),
    weight: numberOf(weight, 1),
    zone: textOf(zone),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown, otherwise: number): number {
  return value === undefined || value === '' ? otherwise : Number(value);
}
