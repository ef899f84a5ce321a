/** The Nest module: wiring only. */
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { ClusterView } from './cluster/cluster-view.js';
import { DkvAdmin } from './dkv.admin.js';
import { Dkv } from './dkv.js';
import { DkvError } from './dkv.errors.js';
import { DkvLifecycle } from './dkv.lifecycle.js';
import { ConfigurableModuleClass, type OPTIONS_TYPE } from './dkv.module-definition.js';
import { type DkvNamespaceOptions } from './dkv.namespace-options.js';
import { DKV_OPTIONS, DkvRegistry, getDkvToken } from './dkv.tokens.js';
import { adminProviders } from './providers/admin-providers.js';
import { clusterProviders } from './providers/cluster-providers.js';
import { NamespaceRegistry } from './providers/namespace-registry.js';
import { storeProviders } from './providers/store-providers.js';

@Module({})
class DkvFeatureModule {}

@Module({
  providers: [...clusterProviders, ...storeProviders, ...adminProviders, DkvLifecycle],
  exports: [Dkv, DkvAdmin, DkvLifecycle, DkvRegistry, DKV_OPTIONS, ClusterView, NamespaceRegistry],
})
export class DkvModule extends ConfigurableModuleClass {
  /** All options have defaults: without any it is a node alone, its data in `dkv-data` of the working directory. */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }

  /**
   * Declares namespaces, for `@InjectDkv(name)` in the module that imports this. Every node must declare the same, and
   * `forRoot` must be global, as it is unless told otherwise. Several modules may declare one namespace, all alike.
   * @throws DkvError `DKV_INVALID_OPTIONS` when one name comes twice; whatever else is wrong fails the boot.
   */
  static forFeature(namespaces: readonly DkvNamespaceOptions[]): DynamicModule {
    const names = namespaces.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) {
      throw new DkvError(
        'DKV_INVALID_OPTIONS',
        `DkvModule.forFeature names ${JSON.stringify(twice)} twice. Name it once.`,
      );
    }
    const providers: Provider[] = namespaces.map((options) => ({
      provide: getDkvToken(options.name),
      inject: [NamespaceRegistry],
      useFactory: (registry: NamespaceRegistry) => registry.declare(options),
    }));
    return { module: DkvFeatureModule, providers, exports: providers };
  }
}
