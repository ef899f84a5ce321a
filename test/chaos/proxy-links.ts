/** Links as proxies: every node is told, for each of its peers, the address of a proxy in front of it. */
import { pickFreePorts } from '../e2e/free-ports.js';
import { type LinkFault, type Links, type Place } from './links.js';
import { ProxyLink } from './proxy-link.js';

const HOST = '127.0.0.1';

export class ProxyLinks implements Links {
  readonly name = 'proxy';
  readonly faults: readonly LinkFault[] = ['cut', 'mute', 'clog', 'delay'];

  private constructor(
    readonly places: readonly Place[],
    /** By the index of the node that opens connections, then of the one that takes them. */
    private readonly links: readonly (readonly (ProxyLink | undefined)[])[],
  ) {}

  static async open(ids: readonly string[]): Promise<ProxyLinks> {
    const ports = await pickFreePorts(2 * ids.length);
    const peerPorts = ports.splice(ids.length);
    const links = await Promise.all(ids.map((_, from) => openFrom(from, peerPorts)));
    const places = ids.map((_, from) => ({
      host: HOST,
      port: ports[from]!,
      bind: HOST,
      nodes: ids.map((id, to) => `${id}=${HOST}:${links[from]![to]?.port ?? peerPorts[to]}`).join(','),
      wrapper: [],
    }));
    return new ProxyLinks(places, links);
  }

  async apply(from: number, to: number, fault: LinkFault): Promise<void> {
    this.links[from]![to]?.apply(fault);
  }

  async heal(from: number, to: number): Promise<void> {
    this.links[from]![to]?.heal();
  }

  abandon(): void {
    // The listeners end with the process.
  }

  async dispose(): Promise<void> {
    await Promise.all(this.links.flat().map(async (link) => link?.close()));
  }
}

function openFrom(from: number, peerPorts: readonly number[]): Promise<(ProxyLink | undefined)[]> {
  return Promise.all(
    peerPorts.map(async (port, to) => (from === to ? undefined : ProxyLink.open(HOST, port))),
  );
}
