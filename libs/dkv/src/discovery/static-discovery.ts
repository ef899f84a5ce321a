/** Nodes from a fixed list: options or an environment variable. */
import { DkvError } from '../dkv.errors.js';
import { type ClusterNode } from '../model/node.js';
import { type Discovery } from '../ports/discovery.js';
import { assertNode } from './found-node.js';

/** A node of the list; weight 1 and no zone unless given. */
export type StaticNode = Pick<ClusterNode, 'nodeId' | 'host' | 'port'> &
  Partial<Pick<ClusterNode, 'weight' | 'zone'>>;

export class StaticDiscovery implements Discovery {
  private readonly nodes: readonly ClusterNode[];

  /** @throws DkvError `DKV_INVALID_OPTIONS` for an empty list, a repeated node id, a bad port or weight. */
  constructor(nodes: readonly StaticNode[]) {
    this.nodes = nodes.map((node) => ({ ...node, weight: node.weight ?? 1, zone: node.zone ?? '' }));
    const seen = new Set<string>();
    for (const node of this.nodes) {
      assertNode(node);
      if (seen.has(node.nodeId)) {
        throw new DkvError('DKV_INVALID_OPTIONS', `Node ${node.nodeId} stands twice in the list of nodes.`);
      }
      seen.add(node.nodeId);
    }
    if (seen.size === 0) {
      throw new DkvError('DKV_INVALID_OPTIONS', 'The list of nodes is empty. Name at least this node.');
    }
  }

  /**
   * Reads `node1=10.0.0.1:7000,node2=10.0.0.2:7000`; a node may carry `;weight=2` and `;zone=a`, an IPv6 address
   * stands in brackets.
   * @throws DkvError `DKV_INVALID_OPTIONS` naming the entry.
   */
  static parse(text: string): StaticDiscovery {
    const entries = text.split(',').map((entry) => entry.trim());
    return new StaticDiscovery(entries.filter((entry) => entry !== '').map(parseNode));
  }

  get fixedSize(): number {
    return this.nodes.length;
  }

  async register(self: ClusterNode): Promise<void> {
    if (!this.nodes.some(({ nodeId }) => nodeId === self.nodeId)) {
      throw new DkvError(
        'DKV_INVALID_OPTIONS',
        `This node, ${self.nodeId}, is not in the list of nodes: ` +
          `${this.nodes.map(({ nodeId }) => nodeId).join(', ')}. Set nodeId, or add it to the list.`,
      );
    }
  }

  async deregister(): Promise<void> {
    // A fixed list is left by changing the list.
  }

  async getNodes(): Promise<readonly ClusterNode[]> {
    return this.nodes;
  }
}

function parseNode(entry: string): StaticNode {
  const [head = '', ...extras] = entry.split(';');
  const match = /^([^=]+)=(\[[^\]]+\]|[^:]+):(\d+)$/.exec(head);
  if (!match) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `Not a node: ${JSON.stringify(entry)}. Write nodeId=host:port.`,
    );
  }
  const [, nodeId = '', host = '', port = ''] = match;
  return { nodeId, host: host.replace(/^\[|\]$/g, ''), port: Number(port), ...parseExtras(entry, extras) };
}

function parseExtras(entry: string, extras: readonly string[]): { weight?: number; zone?: string } {
  const parsed: { weight?: number; zone?: string } = {};
  for (const extra of extras) {
    const [name, ...rest] = extra.split('=');
    const value = rest.join('=');
    if (name === 'weight') {
      parsed.weight = Number(value);
    } else if (name === 'zone') {
      parsed.zone = value;
    } else {
      throw new DkvError(
        'DKV_INVALID_OPTIONS',
        `Unknown ${JSON.stringify(extra)} in node ${JSON.stringify(entry)}: weight=… and zone=… are known.`,
      );
    }
  }
  return parsed;
}
