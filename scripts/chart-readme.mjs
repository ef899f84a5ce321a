/** Writes deploy/helm/README.md, with the table of values that values.schema.json makes: `npm run docs:chart`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const CHART = fileURLToPath(new URL('../deploy/helm', import.meta.url));
const PAGE = `${CHART}/README.md`;

const HEAD = `# Chart of an application on nestjs-dkv

Made from \`values.schema.json\` by \`npm run docs:chart\`: change that, not this page. How to use the chart, and what it does when there are
more or fewer pods, is in [docs/kubernetes.md](../../docs/kubernetes.md).

\`image.repository\`, \`image.tag\` (or \`image.digest\`) and the keys must be given. What is not in this table, or not as it says, is refused.
`;

/** The page as text. `schema`: values.schema.json as it was read. */
export async function chartReadme(schema) {
  const rows = valuesOf(schema).map(({ name, text, allowed, given }) => {
    const cells = [`\`${name}\``, given === undefined ? '' : `\`${JSON.stringify(given)}\``, text + allowed];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  const table = ['| value | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
  const options = await resolveConfig(PAGE);
  return format(`${HEAD}\n## Values\n\n${table}\n`, { ...options, filepath: PAGE });
}

/** Each value that has a default, in the order of the schema: `{ name, text, allowed, given }`. */
export function valuesOf(schema, prefix = '') {
  return Object.entries(schema.properties).flatMap(([key, property]) => {
    const name = `${prefix}${key}`;
    const { description: text, default: given } = property;
    if (given === undefined) {
      return property.properties ? valuesOf(property, `${name}.`) : [];
    }
    return [{ name, text, given, allowed: allowedBy(property) }];
  });
}

function allowedBy({ enum: values, minimum, maximum }) {
  if (values) {
    return ` ${values.map((value) => `\`${value}\``).join(', ')}.`;
  }
  return minimum === undefined ? '' : ` ${minimum} to ${maximum}.`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const schema = JSON.parse(readFileSync(`${CHART}/values.schema.json`, 'utf8'));
  writeFileSync(PAGE, await chartReadme(schema));
}
