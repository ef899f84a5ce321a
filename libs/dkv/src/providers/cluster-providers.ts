/** How the module makes the cluster as this node sees it: nodes, ring, view, transport. */
import { HttpService } from '@nestjs/axios';
import { type Provider } from '@nestjs/common';
import axios from 'axios';
import { ClusterView } from '../cluster/cluster-view.js';
import { sharedSettings } from '../cluster/fixed-settings.js';
import { EnvelopeGuard } from '../cluster/envelope-guard.js';
import { PeerClient } from '../cluster/peer-client.js';
import { PeerTransitions } from '../cluster/peer-transitions.js';
import { StaticDiscovery } from '../discovery/static-discovery.js';
import { type DkvOptions } from '../dkv.options.js';
import { DKV_OPTIONS } from '../dkv.tokens.js';
import { bindsNodeIds, certificateSource } from '../dkv.tls-options.js';
import { md5HashFunc } from '../hashring/md5-hash-func.js';
import { createXxhashHashFunc } from '../hashring/xxhash-hash-func.js';
import { Clock } from '../ports/clock.js';
import { Controller } from '../ports/controller.js';
import { Discovery } from '../ports/discovery.js';
import { HashFunc } from '../ports/hash-func.js';
import { Logger } from '../ports/logger.js';
import { Random } from '../ports/random.js';
import { RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { Telemetry } from '../ports/telemetry.js';
import { Disconnects } from '../transport/disconnects.js';
import { HttpController } from '../transport/http/http-controller.js';
import { keysOf } from '../transport/http/port-keys.js';
import { AdminService } from '../transport/rest/admin-service.js';
import { KvService } from '../transport/rest/kv-service.js';
import { renewedCertificates } from '../transport/tls/renewed-certificates.js';
import { Processor } from '../processor/processor.js';
import { HttpRemoteKvRepo } from '../transport/http/http-remote-kv-repo.js';
import { NO_CONTROLLER, NO_REMOTE } from '../transport/no-peers.js';
import { StreamRemoteKvRepo } from '../transport/stream/stream-remote-kv-repo.js';
import { NodeStorage } from '../storage/node-storage.js';
import { type PeerTls } from '../transport/tls/peer-tls.js';
import { discover, type Discovered, type OpenedNode, openNode } from './cluster-at-start.js';

/** What discovery told before the node's folder was opened. */
const DISCOVERED = Symbol('DkvDiscovered');
const OPENED_NODE = Symbol('DkvOpenedNode');
/** Addresses to listen on that are none of one interface. */
const EVERYWHERE = ['0.0.0.0', '::', ''];
/** The certificates of this node: `PeerTls`, undefined where nothing is encrypted. */
export const PEER_TLS = Symbol('DkvPeerTls');

export const clusterProviders: Provider[] = [
  { provide: Discovery, inject: [DKV_OPTIONS], useFactory: createDiscovery },
  { provide: HashFunc, inject: [DKV_OPTIONS], useFactory: createHashFunc },
  { provide: DISCOVERED, inject: [DKV_OPTIONS, Discovery], useFactory: discover },
  { provide: OPENED_NODE, inject: [DKV_OPTIONS, DISCOVERED, HashFunc, Clock, Logger], useFactory: openNode },
  { provide: NodeStorage, inject: [OPENED_NODE], useFactory: ({ storage }: OpenedNode) => storage },
  {
    provide: ClusterView,
    inject: [DKV_OPTIONS, OPENED_NODE, DISCOVERED, HashFunc],
    useFactory: (
      options: DkvOptions,
      { configuration, own }: OpenedNode,
      { nodes = [] }: Discovered,
      hashFunc: HashFunc,
    ) => {
      const view = new ClusterView(options.nodeId, configuration, hashFunc, sharedSettings(options), own);
      view.relocate(nodes);
      return view;
    },
  },
  {
    provide: PeerTransitions,
    inject: [ClusterView, Clock, Logger],
    useFactory: (view: ClusterView, clock: Clock, logger: Logger) => new PeerTransitions(view, clock, logger),
  },
  {
    provide: EnvelopeGuard,
    inject: [ClusterView, DKV_OPTIONS, Clock, PeerTransitions, Telemetry],
    useFactory: (
      view: ClusterView,
      options: DkvOptions,
      clock: Clock,
      transitions: PeerTransitions,
      telemetry: Telemetry,
    ) => new EnvelopeGuard(view, options.maxClockOffsetMs, clock, transitions, telemetry),
  },
  {
    provide: PEER_TLS,
    inject: [DKV_OPTIONS, Clock, Logger],
    useFactory: ({ tls, nodeId }: DkvOptions, clock: Clock, logger: Logger): PeerTls | undefined =>
      tls && renewedCertificates(certificateSource(tls, nodeId), clock, logger),
  },
  { provide: Disconnects, useFactory: () => new Disconnects() },
  {
    provide: RemoteKvRepo,
    inject: [DKV_OPTIONS, PEER_TLS, Clock, Random, PeerTransitions, Disconnects],
    useFactory: createRemote,
  },
  {
    provide: PeerClient,
    inject: [ClusterView, RemoteKvRepo, EnvelopeGuard, Clock, Telemetry, PeerTransitions],
    useFactory: (
      view: ClusterView,
      remote: RemoteKvRepo,
      guard: EnvelopeGuard,
      clock: Clock,
      telemetry: Telemetry,
      transitions: PeerTransitions,
    ) => new PeerClient(view, remote, guard, clock, telemetry, transitions),
  },
  {
    provide: Controller,
    inject: [
      DKV_OPTIONS,
      PEER_TLS,
      ClusterView,
      Processor,
      KvService,
      Clock,
      Logger,
      PeerTransitions,
      Telemetry,
      Disconnects,
      AdminService,
    ],
    useFactory: createController,
  },
];

function createDiscovery(options: DkvOptions): Discovery {
  const { nodeId, hostname, peerPort, weight, zone } = options;
  // Alone, the port is never listened on; 7000 stands in for 0 in the node's address.
  return (
    options.discovery ??
    new StaticDiscovery([{ nodeId, host: hostname, port: peerPort || 7000, weight, zone }])
  );
}

async function createHashFunc({ hashFunc }: DkvOptions): Promise<HashFunc> {
  if (typeof hashFunc === 'object') {
    return hashFunc;
  }
  return hashFunc === 'xxhash' ? createXxhashHashFunc() : md5HashFunc;
}

function createRemote(
  options: DkvOptions,
  tls: PeerTls | undefined,
  clock: Clock,
  random: Random,
  observer: PeerTransitions,
  disconnects: Disconnects,
): RemoteKvRepo {
  const { remoteKvRepo, discovery, nodeId, valueBytesMax, transport } = options;
  if (remoteKvRepo) {
    return remoteKvRepo;
  }
  const inFlightBytesMax = Math.max(64 * 1024 * 1024, 4 * valueBytesMax);
  if (!discovery) {
    return NO_REMOTE;
  }
  const [apiKey = ''] = keysOf(options.apiKey);
  const settings = {
    nodeId,
    apiKey,
    valueBytesMax,
    inFlightBytesMax,
    tls,
    bindsNodeIds: bindsNodeIds(options.tls),
    observer,
  };
  return transport === 'http'
    ? new HttpRemoteKvRepo(new HttpService(axios.create()), clock, settings)
    : new StreamRemoteKvRepo(clock, random, { ...settings, disconnects });
}

function createController(
  options: DkvOptions,
  tls: PeerTls | undefined,
  view: ClusterView,
  processor: Processor,
  kv: KvService,
  clock: Clock,
  logger: Logger,
  observer: PeerTransitions,
  telemetry: Telemetry,
  disconnects: Disconnects,
  service: AdminService,
): Controller {
  const { controller, discovery, apiKey, adminKey, valueBytesMax, peerBind, peerPort, nodeId, insecure } =
    options;
  if (controller) {
    return controller;
  }
  if (!discovery && !adminKey) {
    return NO_CONTROLLER;
  }
  // What the others were told is what must be listened on.
  const port = peerPort === 0 ? 0 : view.address(nodeId).port;
  warnOfOpenPort(options, logger);
  const listening = { host: peerBind, port, apiKey, insecure, valueBytesMax, tls, observer, telemetry };
  return new HttpController(processor, kv, clock, logger, {
    ...listening,
    disconnects,
    bindsNodeIds: bindsNodeIds(options.tls),
    ...(adminKey && { admin: { key: adminKey, service } }),
  });
}

/** What an operator should know before others do. */
function warnOfOpenPort({ peerBind, tls, insecure }: DkvOptions, logger: Logger): void {
  if (insecure) {
    logger.warn(
      'The peer port asks for no apiKey (option insecure): whoever reaches it is a node, and reads and writes every key.',
    );
  }
  if (!tls && EVERYWHERE.includes(peerBind)) {
    logger.warn(
      `The peer port listens on all interfaces (peerBind ${peerBind}) and does not encrypt: whoever can listen on a network ` +
        'between the nodes reads the values and the keys. Give the option tls, or a peerBind of a network that is yours alone.',
    );
  }
}
