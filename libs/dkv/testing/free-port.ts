/** A port for a node that others must know before it starts, so that it cannot ask for port 0. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** It was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
