/** Sees that an epoch is one configuration, and a namespace of one kind: who goes by another goes by what was never agreed on. */
import { textOf } from '../../src/cluster/cluster-configuration.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../../src/model/membership.js';
import { type FindingRule } from './checkers/finding.js';
import { type TestCluster } from './sim-cluster.js';

export class ConfigurationWitness {
  private readonly texts = new Map<number, string>();
  /** By namespace: how nodes have it in use. */
  private readonly kinds = new Map<string, string>();
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
      if (alive && view && view.epoch > 0) {
        this.checkNamespaces(nodeId);
      }
    }
  }

  private checkNamespaces(nodeId: string): void {
    for (const { name, mode, placement, codec } of this.cluster.node(nodeId).namespaces) {
      const kind = `${mode}, class ${placement}, ${codec.name}`;
      const known = this.kinds.get(name);
      if (known === undefined) {
        this.kinds.set(name, kind);
      } else if (known !== kind) {
        this.report(
          'divergence',
          CONFIGURATION_GROUP,
          `${nodeId} has ${name} as ${kind}, others as ${known}`,
        );
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
