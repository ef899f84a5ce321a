/** Writes docs/metrics.md from the catalog of the built library: `npm run build && npm run docs:metrics`. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = `${ROOT}docs/metrics.md`;

const HEAD = `# Metrics

Made from the code by \`npm run docs:metrics\`: change \`libs/dkv/src/metrics/metric-catalog.ts\`, not this page.

\`@Inject(DkvRegistry)\` gives the Prometheus registry of a node (of prom-client), with all of these; serve its \`metrics()\`. Nothing is
labelled by key, caller or address, so the number of series is bounded by namespaces, peers and error codes. Counters begin at 0 with
the process. The option \`processMetrics\` adds \`process_*\` and \`nodejs_*\`: CPU, memory, the event loop's lag, garbage collections.
`;

/** The page as text. `sections`: `METRIC_SECTIONS` of the catalog. */
export async function metricsPage(sections) {
  const tables = Object.entries(sections).map(([title, metrics]) => {
    const rows = Object.entries(metrics).map(([name, { type, labels, help, alert }]) => {
      const names = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${names} | ${help} | ${alert} |`;
    });
    const head = '| metric | type | labels | meaning | alert on |\n| --- | --- | --- | --- | --- |';
    return `## ${title}\n\n${[head, ...rows].join('\n')}\n`;
  });
  const options = await resolveConfig(PAGE);
  return format([HEAD, ...tables].join('\n'), { ...options, filepath: PAGE });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { METRIC_SECTIONS } = await import('../libs/dkv/dist/src/metrics/metric-catalog.js');
  writeFileSync(PAGE, await metricsPage(METRIC_SECTIONS));
}
