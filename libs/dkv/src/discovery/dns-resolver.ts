/** The questions that are asked of DNS. */
import { Resolver } from 'node:dns/promises';

export interface DnsResolver {
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>;
  resolve4(name: string): Promise<readonly string[]>;
  resolve6(name: string): Promise<readonly string[]>;
  /** The names of an address. */
  reverse(address: string): Promise<readonly string[]>;
  /** Whatever is under way fails. */
  cancel(): void;
}

/** A server that does not answer is asked once more, then the next one. */
const TRY_MS = 1_000;
const TRIES = 2;

export function nodeResolver(servers: readonly string[]): DnsResolver {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
  if (servers.length > 0) {
    resolver.setServers(servers);
  }
  return resolver;
}
