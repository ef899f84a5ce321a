/** What the data folder remembers of each namespace: its bytes can be read in one way only. */
import { DkvError } from '../dkv.errors.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Namespace } from '../cluster/namespaces.js';

const CATALOG_META = 'namespaces';

interface Entry extends Pick<Namespace, 'mode' | 'copies'> {
  /** By its name. */
  readonly codec: string;
}

export class NamespaceCatalog {
  private entries: Promise<Map<string, Entry>> | undefined;
  private lastNoted: Promise<void> = Promise.resolve();

  constructor(private readonly local: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>) {}

  /**
   * Notes a namespace at its first start here; compares at every later one.
   * @throws DkvError `DKV_STORE_MISMATCH` naming what it was, what is asked, and the remedy.
   */
  admit(namespace: Namespace): Promise<void> {
    // One after another: each writes the whole catalog.
    const admitted = this.lastNoted.then(() => this.compareOrNote(namespace));
    this.lastNoted = admitted.catch(() => undefined);
    return admitted;
  }

  /** Namespaces with a place in this folder. */
  async names(): Promise<readonly string[]> {
    return [...(await this.load()).keys()];
  }

  private async compareOrNote({ name, mode, copies, codec }: Namespace): Promise<void> {
    const entries = await this.load();
    const asked = { mode, copies, codec: codec.name };
    const stored = entries.get(name);
    if (!stored) {
      entries.set(name, asked);
      await this.local.putMeta(CATALOG_META, JSON.stringify(Object.fromEntries(entries)));
    } else if (describe(stored) !== describe(asked)) {
      throw new DkvError(
        'DKV_STORE_MISMATCH',
        `Namespace ${JSON.stringify(name)} of this data folder is ${describe(stored)}; now it is asked for as ` +
          `${describe(asked)}. Ask for it as it was, or for a namespace of another name.`,
      );
    }
  }

  private load(): Promise<Map<string, Entry>> {
    this.entries ??= this.local.getMeta(CATALOG_META).then((text) => {
      return new Map(Object.entries(JSON.parse(text ?? '{}') as Record<string, Entry>));
    });
    return this.entries;
  }
}

function describe({ mode, copies, codec }: Entry): string {
  return `${mode}, ${copies} ${copies === 1 ? 'copy' : 'copies'} of a key, values as ${codec}`;
}
