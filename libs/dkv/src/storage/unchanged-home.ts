/** A data folder to look at: everything is opened as a start would, and nothing of it is changed. */
import { Buffer } from 'node:buffer';
import { type StoreEngine } from './engines/store-engine.js';
import { type FileDone, type LogFile, type LogFiles } from './log/log-files.js';
import { type StorageHome } from './node-storage.js';

/** What is written goes into memory, over what `home` has, and is gone when it is released. */
export function unchangedHome(home: StorageHome): StorageHome {
  return {
    where: home.where,
    openEngine: async (identity) => withoutBatches(await home.openEngine(identity)),
    logFiles: async () => {
      const files = await home.logFiles();
      return files && new UnchangedFiles(files);
    },
    machineBootId: () => home.machineBootId(),
    keep: async () => undefined,
    release: () => home.release(),
  };
}

/** Whoever opened it keeps in memory what it wrote. */
function withoutBatches(engine: StoreEngine): StoreEngine {
  return {
    name: engine.name,
    syncsEarlier: true,
    get: (key) => engine.get(key),
    batch: () => Promise.resolve(),
    iterate: (range) => engine.iterate(range),
    sizeBytes: () => engine.sizeBytes(),
    close: () => engine.close(),
  };
}

class UnchangedFiles implements LogFiles {
  readonly where: string;
  /** Files as they would be, by name; undefined for those that would be gone. */
  private readonly changed = new Map<string, Content | undefined>();

  constructor(private readonly files: LogFiles) {
    this.where = files.where;
  }

  async list(): Promise<readonly string[]> {
    const names = new Set(await this.files.list());
    for (const [name, content] of this.changed) {
      if (content) {
        names.add(name);
      } else {
        names.delete(name);
      }
    }
    return [...names];
  }

  async open(name: string): Promise<LogFile> {
    if (!this.changed.has(name)) {
      return new UnchangedFile(await this.files.open(name), (content) => this.changed.set(name, content));
    }
    const content = this.changed.get(name);
    if (!content) {
      throw Object.assign(new Error(`ENOENT: no such file, open '${name}'`), { code: 'ENOENT' });
    }
    return new UnchangedFile(undefined, () => undefined, content);
  }

  async create(name: string): Promise<LogFile> {
    const content = { bytes: Buffer.alloc(0) };
    this.changed.set(name, content);
    return new UnchangedFile(undefined, () => undefined, content);
  }

  async rename(name: string, to: string): Promise<void> {
    const file = await this.open(name);
    this.changed.set(to, { bytes: await wholeOf(file) });
    this.changed.set(name, undefined);
    await file.close();
  }

  async remove(name: string): Promise<void> {
    this.changed.set(name, undefined);
  }

  async freeBytes(): Promise<number> {
    return 0;
  }

  async syncFolder(): Promise<void> {}
}

interface Content {
  bytes: Buffer;
}

class UnchangedFile implements LogFile {
  /** `change` is told once of what takes the place of the file's own content. */
  constructor(
    private readonly file: LogFile | undefined,
    private readonly change: (content: Content) => void,
    private content?: Content,
  ) {}

  write(bytes: Uint8Array, offset: number, done: FileDone): void {
    const copy = Buffer.from(bytes);
    this.own().then(
      (content) => {
        const grown = Buffer.alloc(Math.max(content.bytes.length, offset + copy.length));
        content.bytes.copy(grown);
        copy.copy(grown, offset);
        content.bytes = grown;
        done(undefined);
      },
      (error: Error) => done(error),
    );
  }

  sync(done: FileDone): void {
    done(undefined);
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    if (!this.content) {
      return this.file!.read(into, offset);
    }
    const part = this.content.bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  async size(): Promise<number> {
    return this.content ? this.content.bytes.length : this.file!.size();
  }

  async truncate(sizeBytes: number): Promise<void> {
    const content = await this.own();
    content.bytes = Buffer.from(content.bytes.subarray(0, sizeBytes));
  }

  async close(): Promise<void> {
    await this.file?.close();
  }

  private async own(): Promise<Content> {
    if (!this.content) {
      const content = { bytes: await wholeOf(this.file!) };
      this.content ??= content;
      this.change(this.content);
    }
    return this.content;
  }
}

async function wholeOf(file: LogFile): Promise<Buffer> {
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  return bytes;
}
