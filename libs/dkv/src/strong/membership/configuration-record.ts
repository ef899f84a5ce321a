/** Where the configuration of the cluster is kept: one record of a group of its own. */
import { Buffer } from 'node:buffer';
import { configurationFrom } from '../../cluster/cluster-configuration.js';
import { type ClusterConfiguration } from '../../model/membership.js';

export const CONFIGURATION_KEY = 'configuration';

/** @throws an error of any kind for what is no configuration */
export function configurationOfRecord({ value }: { readonly value: Uint8Array }): ClusterConfiguration {
  return configurationFrom(Buffer.from(value).toString());
}
