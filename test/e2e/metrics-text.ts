/** Reads the text format of Prometheus as strictly as a scraper does. */

const SAMPLE =
  /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (NaN|[+-]Inf|-?[\d.]+(?:e[+-]?\d+)?)$/;
const SUFFIX = /_(?:bucket|sum|count)$/;

/** The value of each sample by its name and labels. @throws Error at a line that is not of the format. */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  const typed = new Set<string>();
  const samples = new Map<string, number>();
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const type = /^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/.exec(line);
    if (type) {
      typed.add(type[1]!);
    } else if (!line.startsWith('# HELP ')) {
      const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
      if (!typed.has(name) && !typed.has(name.replace(SUFFIX, ''))) {
        throw new Error(`Not a sample of a declared metric: ${line}`);
      }
      if (samples.has(name + labels)) {
        throw new Error(`Told twice: ${line}`);
      }
      samples.set(name + labels, Number(value.replace('Inf', 'Infinity')));
    }
  }
  return samples;
}
