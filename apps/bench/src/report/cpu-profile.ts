/** Reads a `.cpuprofile`: where the time went, by function. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What of the format of Chrome's DevTools protocol is read here; times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      /** From 0, as the column. */
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfileRow {
  readonly name: string;
  /** File and line; empty for what is no JavaScript: `(idle)`, `(garbage collector)`, `(program)`. */
  readonly place: string;
  readonly selfUs: number;
  readonly share: number;
}

type CallFrame = CpuProfile['nodes'][number]['callFrame'];

/** The functions by the time spent in themselves, the most first; shares are of the whole time, idle included. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): readonly ProfileRow[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const rows = new Map<string, { frame: CallFrame; selfUs: number }>();
  let totalUs = 0;
  samples.forEach((id, index) => {
    // A delta leads to its sample: what ran from then on is told by the next one.
    const selfUs = Math.max(0, timeDeltas[index + 1] ?? 0);
    const frame = frames.get(id)!;
    const key = `${frame.functionName} ${frame.url}:${frame.lineNumber}:${frame.columnNumber}`;
    const row = rows.get(key) ?? { frame, selfUs: 0 };
    row.selfUs += selfUs;
    rows.set(key, row);
    totalUs += selfUs;
  });
  return [...rows.values()]
    .sort((a, b) => b.selfUs - a.selfUs)
    .map(({ frame, selfUs }) => ({
      name: frame.functionName || '(anonymous)',
      place: placeOf(frame),
      selfUs,
      share: selfUs / Math.max(1, totalUs),
    }));
}

const sourceMaps = new Map<string, SourceMap | undefined>();

/** In the source where its map tells, else as it runs. */
function placeOf({ url, lineNumber, columnNumber }: CallFrame): string {
  if (!url.startsWith('file:')) {
    return url && `${url}:${lineNumber + 1}`;
  }
  const file = fileURLToPath(url);
  const entry = sourceMapOf(file)?.findEntry(lineNumber, columnNumber);
  return entry && 'originalSource' in entry
    ? `${shown(resolve(dirname(file), entry.originalSource))}:${entry.originalLine + 1}`
    : `${shown(file)}:${lineNumber + 1}`;
}

function sourceMapOf(file: string): SourceMap | undefined {
  if (!sourceMaps.has(file)) {
    let map: SourceMap | undefined;
    try {
      map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as SourceMap['payload']);
    } catch {
      // Packages come without; the line of what runs is good enough.
    }
    sourceMaps.set(file, map);
  }
  return sourceMaps.get(file);
}

function shown(file: string): string {
  return relative(process.cwd(), file)
    .replaceAll('\\', '/')
    .replace(/^.*node_modules\//, '');
}
