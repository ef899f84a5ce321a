import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What starts processes, runs many seeds, mends whole folders or shakes hands by TLS: not of the daily loop. */
const SLOW = [
  'test/{attack,e2e,readme,simulation}/**/*.spec.ts',
  'test/chaos/chaos.spec.ts',
  'libs/**/*{access,figures,fuzz,-folders,-model,storms,tls,-transport}.spec.ts',
  'libs/dkv/src/storage/**/{crash,data-folder,engine-local-kv-repo}.spec.ts',
];
/** What needs servers or packages that are not ours: `npm run test:integrations` brings them. */
const INTEGRATIONS = ['test/integrations/**/*.spec.ts'];
const OPTIONAL_PACKAGES = at('.optional-packages/node_modules');
/** Specs of these projects start processes of the demo. */
const BUNDLED_DEMO = at('test/e2e/bundled-demo.ts');
const NEVER = ['**/node_modules/**', '**/dist/**'];

export default defineConfig({
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  resolve: {
    alias: [
      { find: /^nestjs-dkv\/testing$/, replacement: at('libs/dkv/testing/index.ts') },
      { find: /^nestjs-dkv$/, replacement: at('libs/dkv/src/index.ts') },
    ],
  },
  test: {
    // One more than the two cores that there are at least: specs with processes wait most of their time.
    maxWorkers: 3,
    // A net for what hangs, not a measure: machines that run tests are slow and shared.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    restoreMocks: true,
    // The specs of a worker share what they load: to load it anew for each took half of the time. None leaves anything in it.
    isolate: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{libs,apps,test}/**/*.spec.ts'],
          exclude: [...NEVER, ...SLOW, ...INTEGRATIONS],
        },
      },
      {
        extends: true,
        test: { name: 'slow', include: SLOW, exclude: NEVER, globalSetup: BUNDLED_DEMO },
      },
      {
        extends: true,
        test: {
          name: 'integrations',
          include: INTEGRATIONS,
          exclude: NEVER,
          globalSetup: BUNDLED_DEMO,
          // Where `scripts/optional-packages.mjs` installs: the library finds them there, as in an application that has them.
          env: { NODE_PATH: OPTIONAL_PACKAGES },
        },
      },
    ],
  },
});
