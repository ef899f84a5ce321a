/** `forRoot` and `forRootAsync` of the module. */
import { ConfigurableModuleBuilder, type Provider } from '@nestjs/common';
import { type DkvModuleOptions } from './dkv.options.js';

export interface DkvModuleExtras {
  /** Whether other modules can inject the store without importing the module. Default: true. */
  isGlobal?: boolean;
  /** Providers for the module's tokens that stand in for its own: `{ provide: Merger, useClass: … }`. */
  overrides?: Provider[];
}

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: DKV_MODULE_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<DkvModuleOptions>({ moduleName: 'Dkv' })
  .setClassMethodName('forRoot')
  .setExtras<DkvModuleExtras>(
    { isGlobal: true, overrides: [] },
    (definition, { isGlobal, overrides = [] }) => ({
      ...definition,
      global: isGlobal,
      // The last provider of a token wins.
      providers: [...(definition.providers ?? []), ...overrides],
    }),
  )
  .build();
