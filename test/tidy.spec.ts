/** The rules of the tree as a test: who may import whom, what only `system/` may touch, how files are made. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LIBRARY = 'libs/dkv/src';

/** The folders of the core by layer, the lowest first: each may import those below it, and none of its own layer. */
const LAYERS = [
  ['model'],
  ['ports'],
  ['hashring', 'merger', 'raft'],
  ['cluster'],
  ['strong', 'eventual'],
  ['processor'],
];
const CORE = LAYERS.flat();
/** Adapters, with the other adapters each may use. */
const ADAPTERS: Record<string, readonly string[]> = {
  codec: [],
  storage: [],
  /** What callers meet above the core; the REST side of the peer port tells conflicts in its words. */
  client: [],
  transport: ['client'],
  /** An application makes its discovery itself, so nobody gives that a clock. */
  discovery: ['system'],
  health: [],
  /** What the client tells of itself is what is measured. */
  metrics: ['client'],
  system: [],
  /** The command line: opens folders, reads and writes values over REST, with the real clock. */
  cli: ['storage', 'transport', 'codec', 'system'],
};
/** Node's built-ins that compute and nothing else. */
const PURE_BUILTINS = ['node:crypto', 'node:zlib', 'node:buffer'];
/** Packages that the core may use: data structures without I/O or clock. */
const PURE_PACKAGES = ['lru-cache', 'xxhash-wasm'];
const FORBIDDEN_OUTSIDE_SYSTEM = [
  /\bDate\.now\b/,
  /\bMath\.random\b/,
  /\bsetTimeout\s*\(/,
  /\bsetInterval\s*\(/,
  /\bAbortSignal\.timeout\b/,
  /\bperformance\.now\b/,
  /\bnew Date\(\)/,
];

interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

describe('the tree', () => {
  const files = sourcesBelow('libs').concat(sourcesBelow('apps'), sourcesBelow('test'));
  const library = files.filter(({ path }) => path.startsWith(`${LIBRARY}/`) && !path.endsWith('.spec.ts'));

  it('has files to look at', () => {
    expect(library.length).toBeGreaterThan(40);
  });

  it('has a core that imports only the core', () => {
    expect(library.flatMap(coreBreaches)).toEqual([]);
  });

  it('has a core in layers: strong and eventual side by side, what both need below them', () => {
    expect(library.flatMap(layerBreaches)).toEqual([]);
  });

  it('has no circles: no file is needed by what it needs itself', () => {
    expect(circlesAmong(library)).toEqual([]);
  });

  it('has adapters that know the core and never each other', () => {
    expect(library.flatMap(adapterBreaches)).toEqual([]);
  });

  it('touches the clock, timers and randomness only in system/', () => {
    const breaches = files
      .filter(({ path }) => path.startsWith('libs/') && !path.startsWith(`${LIBRARY}/system/`))
      .flatMap(({ path, text }) =>
        FORBIDDEN_OUTSIDE_SYSTEM.filter((rule) => rule.test(withoutComments(text))).map(
          (rule) => `${path}: ${rule}`,
        ),
      );
    expect(breaches).toEqual([]);
  });

  it('names folders and files in kebab-case, without utils, helpers or barrels', () => {
    const breaches = files.filter(
      ({ path }) =>
        !/^[a-z0-9./-]+$/.test(path) ||
        /\b(utils?|helpers?|common|misc)\b/.test(path) ||
        (/\/index\.ts$/.test(path) && !['libs/dkv/src/index.ts', 'libs/dkv/testing/index.ts'].includes(path)),
    );
    expect(breaches.map(({ path }) => path)).toEqual([]);
  });

  it('opens every file with a sentence that says why it exists', () => {
    const silent = files.filter(
      ({ path, text }) =>
        !path.endsWith('.spec.ts') && !/^(#!.*\n)?\/\*\* [A-Z`@'][\s\S]{15,}?\*\//.test(text),
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('leaves nothing for later and skips no test', () => {
    const marks = [
      /\bTODO\b/,
      /\bFIXME\b/,
      /@ts-ignore/,
      /@ts-nocheck/,
      /\b(it|test|describe)\.(skip|only|todo)\b/,
    ];
    const breaches = files
      .filter(({ path }) => path !== 'test/tidy.spec.ts')
      .flatMap(({ path, text }) => marks.filter((mark) => mark.test(text)).map((mark) => `${path}: ${mark}`));
    expect(breaches).toEqual([]);
  });

  it('keeps files to one idea: none past 400 lines, no table of cases past 550', () => {
    const long = files.filter(
      ({ path, text }) => text.split('\n').length > (path.endsWith('.spec.ts') ? 550 : 400),
    );
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it('lists in the public API only names that exist by name, never everything', () => {
    const index = readFileSync(join(ROOT, LIBRARY, 'index.ts'), 'utf8');
    expect(index).not.toMatch(/export \*/);
  });

  it('lets the demo use the public package only', () => {
    const breaches = files
      .filter(({ path }) => path.startsWith('apps/'))
      .flatMap(({ path, imports }) =>
        imports
          .filter((name) => /libs\/dkv|nestjs-dkv\/(?!testing$)/.test(name))
          .map((name) => `${path}: ${name}`),
      );
    expect(breaches).toEqual([]);
  });
});

describe('the rules themselves', () => {
  const file = (path: string, source: string): SourceFile => ({
    path,
    text: source,
    imports: importsOf(source),
  });

  it.each([
    ['core imports Nest', 'processor/a.ts', "import { Inject } from '@nestjs/common';"],
    ['core imports an adapter', 'cluster/a.ts', "import { x } from '../storage/x.js';"],
    ['core imports I/O', 'eventual/repair/a.ts', "import { readFile } from 'node:fs/promises';"],
    ['core re-exports an adapter', 'model/a.ts', "export { x } from '../transport/x.js';"],
    ['core imports dynamically', 'merger/a.ts', "const x = await import('rocksdb');"],
  ])('see that %s', (_, path, source) => {
    expect(coreBreaches(file(`${LIBRARY}/${path}`, source))).toHaveLength(1);
  });

  it.each([
    ['eventual imports strong', 'eventual/repair/a.ts', '../../strong/x.js', 1],
    ['strong imports eventual', 'strong/a.ts', '../eventual/x.js', 1],
    ['a layer imports the one above', 'cluster/a.ts', '../processor/x.js', 1],
    ['a layer imports one below', 'processor/a.ts', '../eventual/x.js', 0],
    ['a folder imports itself', 'eventual/a.ts', './repair/x.js', 0],
  ])('see that %s', (_, path, target, breaches) => {
    const source = `import { type X } from '${target}';`;
    expect(layerBreaches(file(`${LIBRARY}/${path}`, source))).toHaveLength(breaches);
  });

  it('see a circle, however long, and name the files in it', () => {
    const chain = (...names: string[]) =>
      names.map((name, at) =>
        file(`${LIBRARY}/${name}.ts`, `import './${names[(at + 1) % names.length]}.js';`),
      );
    expect(circlesAmong(chain('a', 'b', 'c'))).toEqual([`${LIBRARY}/a.ts, ${LIBRARY}/b.ts, ${LIBRARY}/c.ts`]);
    expect(circlesAmong(chain('a', 'b', 'c').slice(0, 2))).toEqual([]);
    const typed = file(`${LIBRARY}/d.ts`, "import { type X } from './d.js';");
    expect(circlesAmong([typed])).toEqual([`${LIBRARY}/d.ts`]);
  });

  it('see that an adapter imports another', () => {
    const source = "import { x } from '../transport/x.js';";
    expect(adapterBreaches(file(`${LIBRARY}/storage/a.ts`, source))).toHaveLength(1);
  });
});

function coreBreaches({ path, imports }: SourceFile): string[] {
  const folder = folderOf(path);
  if (!folder || !CORE.includes(folder)) {
    return [];
  }
  const allowed = (name: string) => {
    if (name.startsWith('.')) {
      const target = targetOf(path, name);
      return target === `${LIBRARY}/dkv.errors.js` || CORE.includes(folderOf(target) ?? '');
    }
    return PURE_BUILTINS.includes(name) || PURE_PACKAGES.includes(name);
  };
  return imports.filter((name) => !allowed(name)).map((name) => `${path} imports ${name}`);
}

function layerBreaches({ path, imports }: SourceFile): string[] {
  const layer = layerOf(folderOf(path));
  if (layer < 0) {
    return [];
  }
  return imports
    .filter((name) => name.startsWith('.'))
    .map((name) => targetOf(path, name))
    .filter((target) => layerOf(folderOf(target)) >= layer && folderOf(target) !== folderOf(path))
    .map((target) => `${path} imports ${target}`);
}

function layerOf(folder: string | undefined): number {
  return LAYERS.findIndex((folders) => folder !== undefined && folders.includes(folder));
}

/** Each group of files that reach each other, types included (Tarjan, Depth-first search and linear graph algorithms, 1972). */
function circlesAmong(files: readonly SourceFile[]): string[] {
  const targets = new Map(
    files.map(({ path, imports }) => [
      path,
      imports
        .filter((name) => name.startsWith('.'))
        .map((name) => targetOf(path, name).replace(/\.js$/, '.ts')),
    ]),
  );
  const circles: string[] = [];
  const numbers = new Map<string, number>();
  const open: string[] = [];
  const visit = (path: string): number => {
    const number = numbers.size;
    numbers.set(path, number);
    open.push(path);
    let lowest = number;
    for (const target of targets.get(path)!.filter((name) => targets.has(name))) {
      if (!numbers.has(target)) {
        lowest = Math.min(lowest, visit(target));
      } else if (open.includes(target)) {
        lowest = Math.min(lowest, numbers.get(target)!);
      }
    }
    if (lowest === number) {
      const group = open.splice(open.indexOf(path));
      if (group.length > 1 || targets.get(path)!.includes(path)) {
        circles.push(group.sort().join(', '));
      }
    }
    return lowest;
  };
  for (const path of targets.keys()) {
    if (!numbers.has(path)) {
      visit(path);
    }
  }
  return circles;
}

function adapterBreaches({ path, imports }: SourceFile): string[] {
  const folder = folderOf(path);
  const friends = folder === undefined ? undefined : ADAPTERS[folder];
  if (!folder || !friends) {
    return [];
  }
  return imports
    .filter((name) => name.startsWith('.'))
    .filter((name) => {
      const target = folderOf(targetOf(path, name));
      return target !== undefined && target !== folder && !CORE.includes(target) && !friends.includes(target);
    })
    .map((name) => `${path} imports ${name}`);
}

/** The folder right below the library's source, if the file is in one. */
function folderOf(path: string): string | undefined {
  const [folder, rest] = path.slice(LIBRARY.length + 1).split('/', 2);
  return rest === undefined ? undefined : folder;
}

function targetOf(path: string, name: string): string {
  return posix.normalize(posix.join(posix.dirname(path), name));
}

function importsOf(text: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s*['"]([^'"]+)['"]/g;
  return [...withoutComments(text).matchAll(pattern)].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}

function sourcesBelow(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/[/\\](node_modules|dist)[/\\]/.test(path))
    .map((path) => {
      const text = readFileSync(path, 'utf8');
      return { path: relative(ROOT, path).replaceAll('\\', '/'), text, imports: importsOf(text) };
    });
}
