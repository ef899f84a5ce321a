/** What users and adapters test with: conformance suites and a simulated cluster. */
export { testLocalKvRepo } from './local-kv-conformance.js';
export { ManualClock } from './manual-clock.js';
export { testRemoteKvTransport } from './remote-kv-conformance.js';
export { describeFindings, type Finding } from './simulation/checkers/finding.js';
export {
  runEventualScenario,
  type ScenarioOptions,
  type ScenarioResult,
} from './simulation/eventual-scenario.js';
export {
  createTestCluster,
  TestCluster,
  type TestClusterOptions,
  TestNode,
} from './simulation/sim-cluster.js';
