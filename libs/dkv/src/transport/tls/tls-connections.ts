/** Encrypted connections to peers: each shows the certificates of its moment, and sends nothing to a stranger. */
import { X509Certificate } from 'node:crypto';
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { type Duplex } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { isOfNode } from './bound-names.js';
import { currentTls, noteHandshakeFault, type PeerTls, TLS_VERSION_MIN } from './peer-tls.js';

export class TlsConnections {
  /** `isBound`: the certificate of a node must have its id as a name. */
  constructor(
    private readonly tls: PeerTls,
    private readonly isBound = false,
  ) {}

  /**
   * Begins to connect to `host` and `port` of `options`; what else they hold of TLS does not count. No session is
   * kept to be resumed: certificates are looked at every time. `nodeId`: who is to be there.
   */
  readonly connect = (options: ConnectionOptions, nodeId: string | undefined): TLSSocket => {
    const { host = '' } = options;
    const socket = connect({
      ...options,
      ...currentTls(this.tls),
      // Of a request; here it would be that of a Unix socket.
      path: undefined,
      servername: isIP(host) ? '' : host,
      minVersion: TLS_VERSION_MIN,
      // The certificate is of the CA or refused. Who a node is, it says only where it is bound to that: else the envelope does.
      rejectUnauthorized: true,
      checkServerIdentity: (_host, { raw }) => (this.isBound ? strangerFault(raw, nodeId) : undefined),
    });
    socket.on('error', (error: Error) => void noteHandshakeFault(socket, error));
    return socket;
  };

  /** `nodeIdAt`: who is to be at the address. */
  agent(options: AgentOptions, nodeIdAt: (address: RequestOptions) => string | undefined): Agent {
    return new PeerAgent(options, (address) => this.connect(address, nodeIdAt(address)));
  }
}

function strangerFault(der: Buffer, nodeId: string | undefined): Error | undefined {
  return nodeId !== undefined && isOfNode(new X509Certificate(der), nodeId)
    ? undefined
    : new Error(`it is not of node ${nodeId}`);
}

class PeerAgent extends Agent {
  constructor(
    options: AgentOptions,
    private readonly connect: (options: ConnectionOptions) => TLSSocket,
  ) {
    super(options);
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | undefined {
    try {
      return this.connect(options as ConnectionOptions);
    } catch (error) {
      // Thrown, it would be nobody's for a request that waited for its turn.
      callback?.(error as Error, undefined as unknown as Duplex);
      return undefined;
    }
  }
}
