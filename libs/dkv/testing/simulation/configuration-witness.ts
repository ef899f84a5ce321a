/** Sees that an epoch is one configuration: whoever goes by another under its number goes by what was never agreed on. */
import { textOf } from '../../src/cluster/cluster-configuration.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../../src/model/membership.js';
import { type FindingRule } from './checkers/finding.js';
import { type TestCluster } from './sim-cluster.js';

export class ConfigurationWitness {
  private readonly texts = new Map<number, string>();
  private readonly checked = new WeakSet<ClusterConfiguration>();

  constructor(
    private readonly cluster: TestCluster,
    private readonly report: (rule: FindingRule, group: number, message: string) => void,
  ) {}

  look(): void {
    for (const nodeId of this.cluster.nodeIds) {
      const { alive, view } = this.cluster.node(nodeId);
      if (alive && view && view.epoch > 0 && !this.checked.has(view.agreed)) {
        this.check(nodeId, view.agreed);
      }
    }
  }

  private check(nodeId: string, configuration: ClusterConfiguration): void {
    this.checked.add(configuration);
    const { epoch } = configuration;
    const text = textOf(configuration);
    const known = this.texts.get(epoch);
    if (known === undefined) {
      this.texts.set(epoch, text);
    } else if (known !== text) {
      const message = `${nodeId} goes by another configuration of epoch ${epoch} than others: ${text}, not ${known}`;
      this.report('divergence', CONFIGURATION_GROUP, message);
    }
  }
}
