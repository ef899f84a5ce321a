/** No document shows a command that nothing types: each block of shell commands stands here, with the spec that has it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../apps/bench/src/options.js';
import { documents, shellBlocksOf } from './documented.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

/** By document, in its order: how the block begins, and where it is typed or, where it cannot be, held against the code. */
const COVERED: Record<string, readonly (readonly [begins: string, spec: string])[]> = {
  'README.md': [
    ['npm install nestjs-dkv', 'test/integrations/packed.spec.ts'],
    ['npm start ', 'test/integrations/demo-guide.spec.ts'],
  ],
  'docs/demo.md': [
    ['curl -X PUT localhost:3001/items/cart-7', 'test/integrations/demo-guide.spec.ts'],
    ['NODE_ID=node4 ', 'test/integrations/demo-guide.spec.ts'],
    ['export N=1 ', 'test/integrations/demo-guide.spec.ts'],
  ],
  'docs/discovery.md': [['DEMO_DISCOVERY=dns ', 'test/integrations/demo-discovery.spec.ts']],
  'docs/getting-started.md': [
    ['npx @nestjs/cli new carts', 'test/integrations/first-hour.spec.ts'],
    ['npm run start', 'test/integrations/first-hour.spec.ts'],
    ['npm run build', 'test/integrations/first-hour.spec.ts'],
  ],
  // A cluster of Kubernetes there is not: what the commands name is looked for in the manifests, and `helm` and `dkv` read their parts.
  'docs/kubernetes.md': [
    ['kubectl create secret ', 'test/integrations/helm-chart.spec.ts'],
    ['kubectl apply -f deploy/kubernetes/app.yaml', 'test/deploy/manifests.spec.ts'],
    ['helm upgrade ', 'test/integrations/helm-chart.spec.ts'],
    ['helm upgrade ', 'test/integrations/helm-chart.spec.ts'],
    ['kubectl exec ', 'test/readme/kubernetes.spec.ts'],
    ['kubectl delete pvc', 'test/readme/kubernetes.spec.ts'],
  ],
  'docs/operations.md': [
    ['npx -p nestjs-dkv dkv convert', 'test/integrations/convert.spec.ts'],
    ['npm install rocksdb-native', 'test/integrations/convert.spec.ts'],
    ['npx -p nestjs-dkv dkv convert', 'test/integrations/convert.spec.ts'],
  ],
  // Up to a quarter of an hour each: their options are read, below.
  'docs/performance.md': [['npm run bench ', 'test/readme/commands.spec.ts']],
  'docs/tls.md': [
    ['openssl ecparam ', 'test/integrations/tls-guide.spec.ts'],
    ['openssl ecparam ', 'test/integrations/tls-guide.spec.ts'],
    ['curl --cert tls.crt ', 'test/integrations/tls-guide.spec.ts'],
  ],
};
const withCommands = documents().filter((path) => shellBlocksOf(path).length > 0);

describe('a block of commands', () => {
  it('stands only in documents that are known', () => {
    expect(withCommands).toEqual(Object.keys(COVERED));
  });

  it.each(withCommands)('has a spec: %s', (path) => {
    const covered = COVERED[path] ?? [];
    const begins = shellBlocksOf(path).map((block, at) => {
      const [start = 'none that is known'] = covered[at] ?? [];
      return block.startsWith(start) ? start : block;
    });
    expect(begins).toEqual(covered.map(([start]) => start));
    expect(covered.filter(([, spec]) => !existsSync(join(ROOT, spec)))).toEqual([]);
  });
});

/** The command alone, without what is said of it. */
const linesOf = (path: string) =>
  shellBlocksOf(path).flatMap((block) => block.split('\n').map((line) => line.replace(/\s+#.*$/, '')));

it('runs scripts that the workspace has, also in CONTRIBUTING.md', () => {
  const elsewhere = ['docs/getting-started.md'];
  const named = ['CONTRIBUTING.md', ...withCommands]
    .filter((path) => !elsewhere.includes(path))
    .flatMap(linesOf)
    .flatMap((line) => /\bnpm (?:run (?:-s )?)?((?!install|run)[\w:]+)/.exec(line)?.[1] ?? []);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
  expect(named).toEqual(expect.arrayContaining(['start', 'test', 'bench', 'demo:node', 'check']));
});

it('gives the benchmark options that it has', () => {
  const commands = linesOf('docs/performance.md');
  const options = commands.map((line) => /^npm run bench -- (.+)$/.exec(line)![1]!.split(/\s+/));
  expect(options.map((args) => parseOptions(args).command)).toEqual([
    'compare',
    'compare',
    'size',
    'report',
    'profile',
  ]);
});
