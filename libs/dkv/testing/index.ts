/** What users and adapters test with: conformance suites and a simulated cluster. */
export {
  type DiscoveryStage,
  type DiscoverySubject,
  testDiscovery,
  testFixedDiscovery,
} from './discovery-conformance.js';
export { ManualClock } from './manual-clock.js';
export {
  assertMergerLaws,
  checkMergerLaws,
  type MergerLaw,
  type MergerLawOptions,
  type MergerLawViolation,
  type MergerSamples,
} from './merger-laws.js';
export { prefillStore, type PrefillOptions } from './prefilled-store.js';
export { type StoreEngineSubject, testStoreEngine } from './store-engine-conformance.js';
export { testRemoteKvTransport } from './transport-conformance.js';
export { describeFindings, type Finding } from './simulation/checkers/finding.js';
export { runEventualScenario } from './simulation/eventual-scenario.js';
export { runRaftScenario } from './simulation/raft-run.js';
export { type ScenarioOptions, type ScenarioResult } from './simulation/scenario.js';
export {
  createTestCluster,
  TestCluster,
  type TestClusterOptions,
  TestNode,
  type TestStorageOptions,
} from './simulation/sim-cluster.js';
export { SimRandom } from './simulation/sim-random.js';
export { runMembersScenario, runStrongScenario } from './simulation/strong-scenario.js';
export {
  type OpenStoreEngine,
  type StoreEngine,
  type StoreOperation,
  type StoreRange,
} from '../src/storage/engines/store-engine.js';
