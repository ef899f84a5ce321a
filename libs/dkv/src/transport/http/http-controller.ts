/** The peer port: a small Nest application of its own, which the host application cannot touch. */
import { type DynamicModule, type INestApplication, Module, ValidationPipe } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { NestFactoryStatic } from '@nestjs/core/nest-factory.js';
import { type Server } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { DkvError } from '../../dkv.errors.js';
import { type Clock } from '../../ports/clock.js';
import { type Controller, type PeerService } from '../../ports/controller.js';
import { type Logger } from '../../ports/logger.js';
import { type PeerObserver } from '../../ports/peer-observer.js';
import { type Telemetry } from '../../ports/telemetry.js';
import { postBytesMax } from '../messages/limits.js';
import { type PeerTls } from '../tls/peer-tls.js';
import { describe } from '../../dkv.validation.js';
import { type Disconnects } from '../disconnects.js';
import { ThrottledLog } from '../throttled-log.js';
import { type ConnectionLimits, connectionLimits, descriptorsMax } from './connection-limits.js';
import { Connections } from './connections.js';
import { ErrorFilter } from './error-filter.js';
import { AdminController } from '../rest/admin-controller.js';
import { AdminService } from '../rest/admin-service.js';
import { KvController, VALUE_BYTES_MAX } from '../rest/kv-controller.js';
import { KvService } from '../rest/kv-service.js';
import { PEER_BODIES, PEER_SERVICE, type PeerBodies, PeerController } from './peer-controller.js';
import { createPeerServer, type ServerGate } from './peer-server.js';
import { type ApiKey, PortKeys } from './port-keys.js';
import { withQuietNest } from './quiet-nest.js';
import { renewCertificates, tellOfFailedHandshakes } from '../tls/stream-certificates.js';
import { StreamServer } from '../stream/stream-server.js';

export interface HttpControllerOptions {
  /** The address to listen on. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Of peers and scripts; '' where there are none. */
  readonly apiKey: ApiKey;
  /** Peers and scripts need no key. Default: false. */
  readonly insecure?: boolean;
  /** What operators ask, and the key that they show. Default: they are refused. */
  readonly admin?: { readonly key: string; readonly service: AdminService };
  readonly valueBytesMax: number;
  /** Everything on the port is encrypted, and peers without a certificate of the CA are refused. Default: not. */
  readonly tls?: PeerTls;
  /** With `tls`: whoever says that it is a node must show a certificate with that name. Default: any of the CA. */
  readonly bindsNodeIds?: boolean;
  /** Connections that are open, and of these without a key so far. Default: shares of the descriptors. */
  readonly connections?: ConnectionLimits;
  /** Told of peers that are not let in. */
  readonly observer?: PeerObserver;
  readonly telemetry?: Telemetry;
  /** Told when the live stream of a peer ends. */
  readonly disconnects?: Disconnects;
  /** How long `stop` waits for requests under way before it cuts them off. Default 10 s. */
  readonly stopTimeoutMs?: number;
}

@Module({})
class PeerPortModule {}

/** {@link Controller} on Fastify. One start, one stop. */
export class HttpController implements Controller {
  private app: INestApplication<Server> | undefined;
  private connections: Connections | undefined;
  private readonly gate: ServerGate & { stopping: boolean };
  private readonly streams: StreamServer;
  private stopped: Promise<void> | undefined;

  constructor(
    private readonly peers: PeerService,
    private readonly kv: KvService,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: HttpControllerOptions,
  ) {
    const { apiKey, insecure, admin, bindsNodeIds, observer, telemetry } = options;
    this.gate = {
      keys: new PortKeys(apiKey, admin?.key, insecure),
      bindsNodeIds,
      stopping: false,
      observer,
      telemetry,
    };
    this.streams = new StreamServer(peers, clock, logger, this.gate, options);
  }

  async start(): Promise<{ readonly port: number }> {
    if (this.app) {
      throw new TypeError('The controller was started before.');
    }
    return withQuietNest(this.logger, async () => {
      this.app = await this.createApp();
      const server = this.app.getHttpServer();
      const limits = this.options.connections ?? connectionLimits(await descriptorsMax());
      this.connections = new Connections(server, this.gate.keys, this.clock, limits);
      this.serveStreams(server, this.connections);
      if (this.options.tls) {
        renewCertificates(server, this.options.tls, this.logger);
        if (this.options.observer) {
          tellOfFailedHandshakes(server, this.options.observer);
        }
      }
      try {
        await this.app.listen(this.options.port, this.options.host);
      } catch (error) {
        throw this.explain(error);
      }
      return { port: (server.address() as AddressInfo).port };
    });
  }

  stop(): Promise<void> {
    this.stopped ??= this.drainAndClose();
    return this.stopped;
  }

  private serveStreams(server: Server, connections: Connections): void {
    server.on('upgrade', (request, socket, head) =>
      this.streams.upgrade(request, socket as Socket, head, (taken) => connections.release(taken)),
    );
  }

  private async drainAndClose(): Promise<void> {
    this.gate.stopping = true;
    const timer = this.clock.schedule(this.options.stopTimeoutMs ?? 10_000, () => {
      this.logger.warn('Requests on the peer port did not end in time; their connections were cut.');
      this.connections?.destroyAll();
      this.streams.destroyAll();
    });
    this.connections?.drain();
    this.streams.drain();
    try {
      await this.app?.close();
    } finally {
      timer.cancel();
    }
  }

  private async createApp(): Promise<INestApplication<Server>> {
    const { valueBytesMax, tls } = this.options;
    const adapter = await createPeerServer(valueBytesMax, this.gate, tls);
    // A factory of its own: the shared one keeps abortOnError and autoFlushLogs of the app created last.
    return new NestFactoryStatic().create<INestApplication<Server>>(this.module(), adapter, {
      abortOnError: false,
      // The adapter has its own.
      bodyParser: false,
      // Flushing would print what the host still holds back.
      autoFlushLogs: false,
    });
  }

  private module(): DynamicModule {
    const { peers, kv } = this;
    const admin = this.options.admin?.service;
    const log = new ThrottledLog(this.logger, this.clock);
    // Nest calls the lifecycle hooks of every instance it is given. The host's are the host's to call, so the
    // inner application gets stand-ins without hooks.
    const peerService: PeerService = {
      serve: (request) => peers.serve(request),
      receive: (from, frame) => peers.receive(from, frame),
    };
    const kvService: KvService = {
      get: (namespace, key, options) => kv.get(namespace, key, options),
      addOrUpdate: (namespace, key, value, options) => kv.addOrUpdate(namespace, key, value, options),
      remove: (namespace, key, options) => kv.remove(namespace, key, options),
    };
    return {
      module: PeerPortModule,
      controllers: [KvController, PeerController, ...(admin ? [AdminController] : [])],
      providers: [
        ...(admin ? [{ provide: AdminService, useValue: withoutHooks(admin) }] : []),
        { provide: PEER_SERVICE, useValue: peerService },
        {
          provide: PEER_BODIES,
          useValue: {
            postBytesMax: postBytesMax(this.options.valueBytesMax),
            log,
            bindsNodeIds: this.gate.bindsNodeIds ?? false,
            observer: this.options.observer,
          } satisfies PeerBodies,
        },
        { provide: KvService, useValue: kvService },
        { provide: VALUE_BYTES_MAX, useValue: this.options.valueBytesMax },
        { provide: APP_FILTER, useValue: new ErrorFilter(log) },
        { provide: APP_PIPE, useValue: createValidationPipe() },
      ],
    };
  }

  private explain(error: unknown): unknown {
    const { host, port } = this.options;
    switch (error instanceof Error && 'code' in error && error.code) {
      case 'EADDRINUSE':
        return new DkvError(
          'DKV_PORT_IN_USE',
          `The peer port ${port} on ${host} is taken by another process. Stop that process or set another ` +
            `peerPort.`,
          { cause: error },
        );
      case 'EACCES':
      case 'EADDRNOTAVAIL':
      case 'ENOTFOUND':
        return new DkvError(
          'DKV_INVALID_OPTIONS',
          `The peer port cannot listen on ${host}:${port} (${String(error)}). Give an address of this machine ` +
            `and a port that the process may use.`,
          { cause: error },
        );
      default:
        return error;
    }
  }
}

function withoutHooks(admin: AdminService): AdminService {
  return {
    cluster: () => admin.cluster(),
    partitions: () => admin.partitions(),
    explain: (namespace, key) => admin.explain(namespace, key),
    diagnose: () => admin.diagnose(),
    transferLeadership: (group, nodeId) => admin.transferLeadership(group, nodeId),
    moves: () => admin.moves(),
    admit: (nodeId) => admin.admit(nodeId),
    decommission: (nodeId) => admin.decommission(nodeId),
    remove: (nodeId) => admin.remove(nodeId),
    replace: (nodeId, byNodeId) => admin.replace(nodeId, byNodeId),
    keep: (nodeId) => admin.keep(nodeId),
    setWeight: (nodeId, weight) => admin.setWeight(nodeId, weight),
    setZone: (nodeId, zone) => admin.setZone(nodeId, zone),
    setReplicas: (replicas, namespace) => admin.setReplicas(replicas, namespace),
    setPreferredZones: (zones) => admin.setPreferredZones(zones),
  };
}

/** Unknown fields are refused: a mistyped option of a request made by hand must not be ignored. */
function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    stopAtFirstError: true,
    exceptionFactory: ([error]) =>
      new DkvError('DKV_INVALID_ARGUMENT', error ? `${describe(error)}.` : 'The request is not valid.'),
  });
}
