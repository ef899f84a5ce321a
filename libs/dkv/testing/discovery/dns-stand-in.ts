/** A DNS server as a resolver of Node sees it: records that change, and ways to fail. */
import { type DnsResolver } from '../../src/discovery/dns-resolver.js';
import { type ClusterNode } from '../../src/model/node.js';

/** ENOTFOUND is NXDOMAIN; `silent` is a server that does not answer. */
export const DNS_FAILURES = ['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'ETIMEOUT', 'silent'] as const;
export type DnsFailure = (typeof DNS_FAILURES)[number];

export class DnsStandIn {
  failure: DnsFailure | undefined;
  private nodes: readonly ClusterNode[] = [];
  private asked = 0;

  /** @param zone of the hosts, `app-peers.default.svc.cluster.local` */
  constructor(private readonly zone: string) {}

  place(nodes: readonly ClusterNode[]): void {
    this.nodes = nodes;
  }

  resolver(): DnsResolver {
    const cancelled = new AbortController();
    const answer = <T>(question: string, records: readonly T[]): Promise<readonly T[]> =>
      this.answer(question, records, cancelled.signal);
    const find = (host: string) => this.nodes.filter(({ nodeId }) => host === `${nodeId}.${this.zone}`);
    const addresses = (name: string, isFamily: (host: string) => boolean) => {
      const nodes = name === this.zone ? this.nodes : find(name);
      return answer(name, nodes.map(({ host }) => host).filter(isFamily));
    };
    return {
      resolveSrv: (name) =>
        answer(
          name,
          name === `_peers._tcp.${this.zone}`
            ? this.nodes.map(({ nodeId, port }) => ({ name: `${nodeId}.${this.zone}`, port }))
            : [],
        ),
      resolve4: (name) => addresses(name, (host) => !host.includes(':')),
      resolve6: (name) => addresses(name, (host) => host.includes(':')),
      reverse: (address) =>
        answer(
          address,
          this.nodes
            .filter(({ host }) => host === address)
            .flatMap(({ nodeId }) => [`of-another-zone.example.org`, `${nodeId}.${this.zone}`]),
        ),
      cancel: () => cancelled.abort(),
    };
  }

  private async answer<T>(
    question: string,
    records: readonly T[],
    cancelled: AbortSignal,
  ): Promise<readonly T[]> {
    const code = this.failure ?? (records.length === 0 ? 'ENODATA' : undefined);
    if (code === 'silent') {
      await new Promise<void>((resolve) => cancelled.addEventListener('abort', () => resolve()));
      throw failed(question, 'ECANCELLED');
    }
    if (code !== undefined) {
      throw failed(question, code);
    }
    // In another order with each answer, as servers do.
    const at = this.asked++ % records.length;
    return [...records.slice(at), ...records.slice(0, at)];
  }
}

function failed(question: string, code: string): Error {
  return Object.assign(new Error(`query ${code} ${question}`), { code });
}
