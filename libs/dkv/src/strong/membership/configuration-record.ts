/** Where the configuration of the cluster is kept: one record of a group of its own. */
import { Buffer } from 'node:buffer';
import { configurationFrom, textOf } from '../../cluster/cluster-configuration.js';
import { type ClusterConfiguration, CLUSTER_NAMESPACE, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type StrongCalls } from '../strong-calls.js';

export const CONFIGURATION_KEY = 'configuration';

/** @throws an error of any kind for what is no configuration */
export function configurationOfRecord({ value }: { readonly value: Uint8Array }): ClusterConfiguration {
  return configurationFrom(Buffer.from(value).toString());
}

/** Puts it in the place of the version `expected`. Whether it is agreed on: somebody else may have been first. */
export async function putConfiguration(
  calls: Pick<StrongCalls, 'write'>,
  configuration: ClusterConfiguration,
  expected: string,
  timeoutMs: number,
): Promise<boolean> {
  const { outcome } = await calls.write(CONFIGURATION_GROUP, {
    kind: 'put',
    namespace: CLUSTER_NAMESPACE,
    key: CONFIGURATION_KEY,
    value: Buffer.from(textOf(configuration)),
    ttlMs: 0,
    expected,
    timeoutMs,
  });
  return outcome === 'done';
}
