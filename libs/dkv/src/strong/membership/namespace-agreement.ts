/** Has the cluster agree on the namespaces that this node declares, and goes by what it has agreed on. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import { type Namespaces } from '../../cluster/namespaces.js';
import { isDkvError } from '../../dkv.errors.js';
import { type AgreedNamespace } from '../../model/membership.js';
import { type Logger } from '../../ports/logger.js';
import { type Membership } from '../../ports/membership.js';

const TIMEOUT_MS = 5_000;
/** Ticks after which what could not be agreed on is tried again. */
const AGAIN_TICKS = 10;

interface AgreementServices {
  readonly view: ClusterView;
  readonly namespaces: Namespaces;
  readonly changes: Pick<Membership, 'change'>;
  readonly logger: Logger;
}

/** Adding is a compare-and-set write of the configuration: of nodes that add one unlike each other the first wins. */
export class NamespaceAgreement {
  private isBusy = false;
  private pausedTicks = 0;
  private told = '';
  /** Those whose number of copies was compared with what is asked for here. */
  private readonly compared = new Set<string>();

  constructor(private readonly services: AgreementServices) {}

  /** There is another configuration, or all namespaces are declared. */
  follow(): void {
    const { namespaces, view, logger } = this.services;
    for (const { message } of namespaces.follow(view.agreed, view.selfId)) {
      logger.error(`${message} Until then this node does not serve it.`);
    }
    for (const { name, placement, isReserved } of view.epoch > 0 ? namespaces : []) {
      if (!isReserved && !this.compared.has(name)) {
        this.compared.add(name);
        this.compareCopies(name, placement);
      }
    }
  }

  /** What counts is what was asked for when the cluster heard of it first, and what was changed since. */
  private compareCopies(name: string, placement: number): void {
    const { namespaces, view, logger } = this.services;
    const asked = namespaces.askedPlacement(name)!;
    const replicas = view.replicasOf(placement);
    if (asked !== placement || (asked > 0 && asked - 1 !== replicas)) {
      logger.warn(
        `Namespace ${JSON.stringify(name)} has ${placement === 0 ? 'as many replicas as the cluster' : `${replicas} replicas`} in ` +
          `cluster ${view.agreed.clusterId}, not ${asked === 0 ? 'as many as the cluster' : asked - 1}: that is what counts.`,
      );
    }
  }

  /** Once a heartbeat interval. */
  tick(): void {
    const { view, namespaces } = this.services;
    this.pausedTicks = Math.max(0, this.pausedTicks - 1);
    if (this.isBusy || this.pausedTicks > 0 || view.epoch === 0 || !view.isMember(view.selfId)) {
      return;
    }
    const { waiting } = namespaces;
    if (waiting.length > 0) {
      this.isBusy = true;
      void this.add(waiting).finally(() => (this.isBusy = false));
    }
  }

  /** Each by itself: that there is no room for one must not keep out another. */
  private async add(waiting: readonly AgreedNamespace[]): Promise<void> {
    const { namespaces, changes, logger } = this.services;
    for (const namespace of waiting) {
      try {
        await changes.change([{ kind: 'namespace', namespace }], TIMEOUT_MS);
        this.told = '';
        namespaces.delayed('');
      } catch (error) {
        const { message } = error as Error;
        if (isDkvError(error, 'DKV_INVALID_OPTIONS')) {
          namespaces.refuse(namespace.name, error);
          logger.error(message);
          continue;
        }
        namespaces.delayed(message);
        this.pausedTicks = AGAIN_TICKS;
        if (this.told !== message) {
          this.told = message;
          logger.warn(
            `Namespace ${JSON.stringify(namespace.name)} is not agreed on yet, which is tried again: ${message}`,
          );
        }
        return;
      }
    }
  }
}
