/** How the module makes this node's storage, its core and its client. */
import { Logger as NestLogger, type Provider } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { ClusterView } from '../cluster/cluster-view.js';
import { EnvelopeGuard } from '../cluster/envelope-guard.js';
import { PeerClient } from '../cluster/peer-client.js';
import { PeerTransitions } from '../cluster/peer-transitions.js';
import { RateLimit } from '../cluster/rate-limit.js';
import { VersionClock } from '../cluster/version-clock.js';
import { type ClientCore } from '../client/client-core.js';
import { Locks } from '../client/locks.js';
import { MsgpackCodec } from '../codec/msgpack-codec.js';
import { DKV_MODULE_OPTIONS } from '../dkv.module-definition.js';
import { type DkvModuleOptions, type DkvOptions, resolveOptions } from '../dkv.options.js';
import { DKV_OPTIONS, DkvRegistry } from '../dkv.tokens.js';
import { Dkv } from '../dkv.js';
import { DKV_VERSION } from '../dkv.version.js';
import { nodeIdOf } from '../storage/folder/data-folder.js';
import { NodeStorage } from '../storage/node-storage.js';
import { LastWriteWinsMerger } from '../merger/last-write-wins-merger.js';
import { registerNodeGauges } from '../metrics/node-gauges.js';
import { PrometheusTelemetry } from '../metrics/prometheus-telemetry.js';
import { Clock } from '../ports/clock.js';
import { Codec } from '../ports/codec.js';
import { LocalKvRepo } from '../ports/local-kv-repo.js';
import { Logger } from '../ports/logger.js';
import { oneLineLogger } from '../ports/one-line-logger.js';
import { Merger } from '../ports/merger.js';
import { Random } from '../ports/random.js';
import { RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { Telemetry } from '../ports/telemetry.js';
import { type CoreContext } from '../cluster/core-context.js';
import { Namespaces } from '../cluster/namespaces.js';
import { Processor } from '../processor/processor.js';
import { type StrongMode } from '../ports/strong-mode.js';
import { KvService } from '../transport/rest/kv-service.js';
import { ProcessorKvService } from '../transport/rest/processor-kv-service.js';
import { SystemClock, SystemRandom } from '../system/system-clock.js';
import { firstNodesOf } from './first-nodes.js';
import { NamespaceRegistry } from './namespace-registry.js';
import { createStrongMode, STRONG_MODE } from './strong-providers.js';

const OWN_WRITES_MAX = 65_536;
const CORE_CONTEXT = Symbol('DkvCoreContext');
const CLIENT_CORE = Symbol('DkvClientCore');

export const storeProviders: Provider[] = [
  {
    provide: DKV_OPTIONS,
    inject: [DKV_MODULE_OPTIONS],
    useFactory: named,
  },
  {
    provide: Clock,
    inject: [DKV_OPTIONS],
    useFactory: ({ clock }: DkvOptions) => clock ?? new SystemClock(),
  },
  { provide: Random, useClass: SystemRandom },
  {
    provide: Logger,
    inject: [DKV_OPTIONS],
    useFactory: ({ logger }: DkvOptions): Logger => oneLineLogger(logger ?? new NestLogger('Dkv')),
  },
  {
    provide: Merger,
    inject: [DKV_OPTIONS],
    useFactory: ({ merger }: DkvOptions): Merger => merger ?? new LastWriteWinsMerger(),
  },
  {
    provide: Codec,
    inject: [DKV_OPTIONS],
    useFactory: ({ codec }: DkvOptions): Codec => codec ?? new MsgpackCodec(),
  },
  { provide: DkvRegistry, useFactory: () => new Registry() },
  {
    provide: Telemetry,
    inject: [DkvRegistry],
    useFactory: (registry: Registry): Telemetry => new PrometheusTelemetry(registry),
  },
  { provide: LocalKvRepo, inject: [NodeStorage], useFactory: ({ local }: NodeStorage) => local },
  {
    provide: VersionClock,
    inject: [DKV_OPTIONS, Clock, LocalKvRepo],
    useFactory: ({ nodeId, maxClockOffsetMs }: DkvOptions, clock: Clock, local: LocalKvRepo) =>
      VersionClock.open(nodeId, clock, local, maxClockOffsetMs),
  },
  // Filled while the providers are made, which is before the first peer is answered.
  { provide: Namespaces, useFactory: () => new Namespaces() },
  {
    provide: CORE_CONTEXT,
    inject: [
      DKV_OPTIONS,
      ClusterView,
      PeerClient,
      PeerTransitions,
      LocalKvRepo,
      VersionClock,
      Namespaces,
      Clock,
      Random,
      Logger,
      Telemetry,
    ],
    useFactory: createContext,
  },
  {
    provide: STRONG_MODE,
    inject: [CORE_CONTEXT, RemoteKvRepo, NodeStorage, DKV_OPTIONS],
    useFactory: (context: CoreContext, remote: RemoteKvRepo, storage: NodeStorage, options: DkvOptions) =>
      createStrongMode({ context, remote, storage, options }),
  },
  {
    provide: Processor,
    inject: [CORE_CONTEXT, EnvelopeGuard, STRONG_MODE, RemoteKvRepo],
    useFactory: createProcessor,
  },
  {
    provide: Locks,
    inject: [Processor, Clock, Random, DKV_OPTIONS],
    useFactory: (processor: Processor, clock: Clock, random: Random, options: DkvOptions) =>
      new Locks({ processor, clock, random }, options),
  },
  {
    provide: CLIENT_CORE,
    inject: [Processor, ClusterView, PeerTransitions, NodeStorage, Clock, Random, Locks],
    useFactory: (
      processor: Processor,
      view: ClusterView,
      transitions: PeerTransitions,
      storage: NodeStorage,
      clock: Clock,
      random: Random,
      locks: Locks,
    ): ClientCore => ({ processor, view, transitions, storage, clock, random, locks }),
  },
  {
    provide: NamespaceRegistry,
    inject: [CLIENT_CORE, Namespaces, DKV_OPTIONS, Codec, Merger, Logger, NodeStorage],
    useFactory: (
      core: ClientCore,
      namespaces: Namespaces,
      options: DkvOptions,
      codec: Codec,
      merger: Merger,
      logger: Logger,
      storage: NodeStorage,
    ) => new NamespaceRegistry(core, namespaces, options, { codec, merger }, logger, storage),
  },
  {
    provide: KvService,
    inject: [Processor, NamespaceRegistry],
    useFactory: (processor: Processor, registry: NamespaceRegistry) =>
      new ProcessorKvService(processor, (namespace) => registry.settingsOf(namespace)),
  },
  {
    provide: Dkv,
    inject: [NamespaceRegistry, DKV_OPTIONS, DkvRegistry, RemoteKvRepo, PeerTransitions, STRONG_MODE],
    useFactory: createClient,
  },
];

/** A node that was given no name has the one that its folder keeps; a new folder, or none, gets one of its own. */
async function named(given: DkvModuleOptions | undefined): Promise<DkvOptions> {
  const options = resolveOptions(given);
  const { storage, dataDir } = options;
  const nodeId =
    options.nodeId ?? (storage === 'memory' ? undefined : await nodeIdOf(dataDir)) ?? generatedNodeId();
  return Object.freeze({ ...options, nodeId });
}

function generatedNodeId(): string {
  return `node-${randomUUID().slice(0, 8)}`;
}

function createContext(
  options: DkvOptions,
  view: ClusterView,
  peers: PeerClient,
  transitions: PeerTransitions,
  local: LocalKvRepo,
  versions: VersionClock,
  namespaces: Namespaces,
  clock: Clock,
  random: Random,
  logger: Logger,
  telemetry: Telemetry,
): CoreContext {
  const { isProvisional } = firstNodesOf(options);
  const limits = { ...options, isProvisional, ownWritesMax: OWN_WRITES_MAX };
  const transferRate = new RateLimit(options.transferBytesPerSecondMax, clock);
  const about = { view, peers, transitions, local, versions, namespaces };
  return { ...about, clock, random, logger, telemetry, limits, transferRate };
}

function createProcessor(
  context: CoreContext,
  guard: EnvelopeGuard,
  strong: StrongMode,
  remote: RemoteKvRepo,
): Processor {
  const processor = new Processor(context, guard, strong);
  remote.onDisconnect((nodeId) => processor.disconnected(nodeId));
  return processor;
}

async function createClient(
  namespaces: NamespaceRegistry,
  { nodeId, processMetrics }: DkvOptions,
  registry: Registry,
  remote: RemoteKvRepo,
  transitions: PeerTransitions,
  { membership }: StrongMode,
): Promise<Dkv> {
  const dkv = await namespaces.open();
  registerNodeGauges(registry, { nodeId, version: DKV_VERSION, dkv, remote, transitions, membership });
  if (processMetrics) {
    collectDefaultMetrics({ register: registry });
  }
  return dkv;
}
