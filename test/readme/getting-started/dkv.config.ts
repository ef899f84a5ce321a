/** Where the store's options come from. */
import { Injectable, Module } from '@nestjs/common';
import { type DkvModuleOptions, StaticDiscovery } from 'nestjs-dkv';

@Injectable()
export class DkvConfig {
  /** One embedded node; with DKV_NODES one of those. */
  options(): DkvModuleOptions {
    const { DATA_DIR: dataDir, HOSTNAME: nodeId, DKV_API_KEY: apiKey, DKV_NODES: nodes } = process.env;
    return nodes ? { dataDir, nodeId, apiKey, discovery: StaticDiscovery.parse(nodes) } : { dataDir };
  }
}

@Module({ providers: [DkvConfig], exports: [DkvConfig] })
export class DkvConfigModule {}
