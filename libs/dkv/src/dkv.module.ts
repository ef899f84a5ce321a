/** The Nest module: wiring only. */
import { Module } from '@nestjs/common';
import { ClusterView } from './cluster/cluster-view.js';
import { Dkv } from './dkv.js';
import { DkvLifecycle } from './dkv.lifecycle.js';
import { ConfigurableModuleClass } from './dkv.module-definition.js';
import { DKV_OPTIONS, DkvRegistry } from './dkv.tokens.js';
import { clusterProviders } from './providers/cluster-providers.js';
import { storeProviders } from './providers/store-providers.js';

@Module({
  providers: [...clusterProviders, ...storeProviders, DkvLifecycle],
  exports: [Dkv, DkvLifecycle, DkvRegistry, DKV_OPTIONS, ClusterView],
})
export class DkvModule extends ConfigurableModuleClass {}
