/** The public API, every export by name. */
export { BytesCodec } from './codec/bytes-codec.js';
export { JsonCodec } from './codec/json-codec.js';
export { MsgpackCodec } from './codec/msgpack-codec.js';
export { ConsulDiscovery, ConsulDiscoveryOptions } from './discovery/consul-discovery.js';
export { type DiscoveryHttp, type HttpAnswer, type HttpQuestion } from './discovery/discovery-http.js';
export { type DiscoveryWorld } from './discovery/discovery-world.js';
export { DnsDiscovery, DnsDiscoveryOptions } from './discovery/dns-discovery.js';
export { type DnsResolver } from './discovery/dns-resolver.js';
export { type EtcdAuth, EtcdDiscovery, EtcdDiscoveryOptions } from './discovery/etcd-discovery.js';
export { HttpServiceDiscovery, HttpServiceDiscoveryOptions } from './discovery/http-service-discovery.js';
export { HttpServiceDiscoveryModule } from './discovery/http-service-discovery.module.js';
export { KubernetesDiscovery, KubernetesDiscoveryOptions } from './discovery/kubernetes-discovery.js';
export { StaticDiscovery, type StaticNode } from './discovery/static-discovery.js';
export { DkvError, DKV_ERROR_STATUS, type DkvErrorCode, isDkvError } from './dkv.errors.js';
export {
  type DkvCallOptions,
  type DkvChangeOptions,
  type DkvLockOptions,
  type DkvLockWaiting,
  type DkvManyOptions,
  type DkvReadOptions,
  type DkvRemoveOptions,
  type DkvRequestOptions,
  type DkvWithLockOptions,
  type DkvWriteOptions,
} from './client/call-options.js';
export { DkvConflictError, DkvLockError } from './client/conflict-error.js';
export { type KvPair } from './client/kv-pair.js';
export { type DkvLockScope } from './client/kept-lock.js';
export { DkvLock, type LockGrant } from './client/lock.js';
export { DkvManyError } from './client/many.js';
export { type DkvMetrics, type DkvNodeStatus } from './client/node-status.js';
export { DkvAdmin } from './dkv.admin.js';
export { Dkv } from './dkv.js';
export { DkvExceptionFilter } from './dkv.exception-filter.js';
export { DkvModule } from './dkv.module.js';
export { type DkvModuleExtras } from './dkv.module-definition.js';
export { DkvNamespaceOptions } from './dkv.namespace-options.js';
export {
  DkvModuleOptions,
  type DkvOptions,
  type Durability,
  type PeerTransport,
  type Storage,
} from './dkv.options.js';
export { type DkvTls, type DkvTlsBinding, type DkvTlsFiles } from './dkv.tls-options.js';
export { DKV_OPTIONS, DkvRegistry, getDkvToken } from './dkv.tokens.js';
export { Hashring } from './hashring/hashring.js';
export { md5HashFunc } from './hashring/md5-hash-func.js';
export { createXxhashHashFunc } from './hashring/xxhash-hash-func.js';
export { type DkvHealth, DkvHealthIndicator } from './health/dkv-health-indicator.js';
export { DkvHealthModule } from './health/dkv-health.module.js';
export { InjectDkv } from './inject-dkv.js';
export { GrowOnlySet, GrowOnlySetMerger } from './merger/grow-only-set-merger.js';
export { LastWriteWinsMerger } from './merger/last-write-wins-merger.js';
export {
  type MapEntry,
  ObservedRemoveMap,
  ObservedRemoveMapMerger,
  type SeenTags,
  type Tag,
} from './merger/observed-remove-map-merger.js';
export { PnCounter, PnCounterMerger } from './merger/pn-counter-merger.js';
export {
  type CandidateReport,
  type ClusterReport,
  type CopyOfGroup,
  type CopyOfKey,
  type Explanation,
  type GroupPosition,
  type MemberReport,
  type NodeDiagnosis,
  type PartitionReport,
  type RecordSummary,
} from './model/cluster-report.js';
export {
  NAMESPACE_MODES,
  type NamespaceMode,
  READ_LEVELS,
  type ReadLevel,
  WRITE_LEVELS,
  type WriteLevel,
} from './model/consistency.js';
export { type RecordId } from './model/key.js';
export {
  type MemberCopies,
  type MembershipState,
  type MoveReport,
  type MovesReport,
} from './model/moves-report.js';
export {
  type ClusterNode,
  type NodeState,
  type PeerTrouble,
  type RefusalReason,
  type RingNode,
} from './model/node.js';
export {
  type GroupStatus,
  type KeyStatus,
  type PeerEnvelope,
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  type TransferState,
  type WriteOperation,
  type WriteResult,
} from './model/peer-protocol.js';
export { type KvRecord, type RecordHeader } from './model/record.js';
export { type ShownRecord } from './model/shown-record.js';
export { type Usage, type UsageByNamespace } from './model/usage.js';
export { Clock, type Timer } from './ports/clock.js';
export { Codec } from './ports/codec.js';
export { Controller, type PeerService } from './ports/controller.js';
export { Discovery } from './ports/discovery.js';
export { HashFunc } from './ports/hash-func.js';
export {
  type BucketDigest,
  type HeaderRange,
  type Hint,
  type LocalKvMetrics,
  LocalKvRepo,
  type RecordChange,
  type StoreIdentity,
} from './ports/local-kv-repo.js';
export { Logger } from './ports/logger.js';
export { Merger, type MergeSide } from './ports/merger.js';
export { Random } from './ports/random.js';
export { type RemoteKvMetrics, RemoteKvRepo, type SendOptions } from './ports/remote-kv-repo.js';
export { type Operation, Telemetry } from './ports/telemetry.js';
export { type Written } from './processor/call-options.js';
export { Processor } from './processor/processor.js';
