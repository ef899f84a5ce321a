/** Encrypted connections to peers: each shows the certificates of its moment, and sends nothing to a stranger. */
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { type Duplex } from 'node:stream';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { currentTls, noteHandshakeFault, type PeerTls, TLS_VERSION_MIN } from './peer-tls.js';

export class TlsConnections {
  constructor(private readonly tls: PeerTls) {}

  /**
   * Begins to connect to `host` and `port` of `options`; what else they hold of TLS does not count. No session is
   * kept to be resumed: certificates are looked at every time.
   */
  readonly connect = (options: ConnectionOptions): TLSSocket => {
    const { host = '' } = options;
    const socket = connect({
      ...options,
      ...currentTls(this.tls),
      // Of a request; here it would be that of a Unix socket.
      path: undefined,
      servername: isIP(host) ? '' : host,
      minVersion: TLS_VERSION_MIN,
      // Who a node is, its certificate does not say: the envelope does. The certificate is of the CA or refused.
      rejectUnauthorized: true,
      checkServerIdentity: () => undefined,
    });
    socket.on('error', (error: Error) => void noteHandshakeFault(socket, error));
    return socket;
  };

  agent(options: AgentOptions): Agent {
    return new PeerAgent(options, this.connect);
  }
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
