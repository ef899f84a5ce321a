/** Reads of records from the engine: one for all who ask for a key meanwhile, and void where it is written. */
import { DkvError } from '../../dkv.errors.js';
import { type StrongRecord } from '../../ports/strong-store.js';
import { isEngineDamage, storageError } from '../storage-error.js';
import { type ScanSource } from './record-scan.js';
import { decodeRecord, RecordEncoder } from './strong-keys.js';

/** Undefined where there is none. */
type Loaded = StrongRecord | undefined | 'overtaken';

interface Load {
  readonly group: number;
  isOvertaken: boolean;
  record: Promise<Loaded>;
}

export class RecordLoads {
  /** By {@link nameOf}. */
  private readonly loads = new Map<string, Load>();
  private readonly encoder = new RecordEncoder();

  constructor(
    private readonly source: Pick<ScanSource, 'engine' | 'table' | 'damage'>,
    /** The folder, for messages. */
    private readonly where: string,
  ) {}

  /**
   * What the engine has of a key that is not in memory, where it is from now on; `overtaken` where it was written since.
   * @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD` naming the key
   */
  read(group: number, namespace: string, key: string): Promise<Loaded> {
    const name = nameOf(group, namespace, key);
    let load = this.loads.get(name);
    if (!load) {
      load = { group, isOvertaken: false, record: Promise.resolve(undefined) };
      this.loads.set(name, load);
      load.record = this.load(load, namespace, key).finally(() => this.end(name, load!));
    }
    return load.record;
  }

  /** The key is written: what a load of it brings is old. */
  overtake(group: number, namespace: string, key: string): void {
    if (this.loads.size > 0) {
      this.overtakeNamed(nameOf(group, namespace, key));
    }
  }

  overtakeGroup(group: number): void {
    for (const [name, load] of this.loads) {
      if (load.group === group) {
        this.overtakeNamed(name);
      }
    }
  }

  private overtakeNamed(name: string): void {
    const load = this.loads.get(name);
    if (load) {
      load.isOvertaken = true;
      this.loads.delete(name);
    }
  }

  private async load(load: Load, namespace: string, key: string): Promise<Loaded> {
    const { engine, table, damage } = this.source;
    const { group } = load;
    const engineKey = this.encoder.recordKey(group, table.index.namesOf(namespace).bytes, key);
    let bytes: Uint8Array | undefined;
    try {
      bytes = await engine.get(engineKey);
    } catch (cause) {
      if (!load.isOvertaken) {
        throw !(cause instanceof DkvError) && isEngineDamage(cause)
          ? damage(group, namespace, key, cause)
          : storageError(`Reading from ${this.where}`, cause);
      }
    }
    if (load.isOvertaken) {
      return 'overtaken';
    }
    const record = bytes && decodeRecord(engineKey, bytes);
    if (bytes && !record) {
      throw damage(group, namespace, key);
    }
    table.load(group, namespace, key, record);
    return record;
  }

  /** Another one of that name may have begun since. */
  private end(name: string, load: Load): void {
    if (this.loads.get(name) === load) {
      this.loads.delete(name);
    }
  }
}

export function nameOf(group: number, namespace: string, key: string): string {
  return `${group} ${namespace}\0${key}`;
}
