/** What the node log needs of a file system: the files of one folder, each call of which may fail or take long. */

/** Called once, during the call or later; with what the system reports (`code`: EIO, ENOSPC, EMFILE …) when it failed. */
export type FileDone = (error: Error | undefined) => void;

/** An open file. All calls but one `write` and one `sync` at a time; the log keeps to that. */
export interface LogFile {
  /**
   * Hands all of `bytes` to the operating system, at `offset`. Part of them may be in the file after an error. `bytes` must
   * not change until `done`.
   */
  write(bytes: Uint8Array, offset: number, done: FileDone): void;
  /** Puts what was written onto the medium. After an error nobody knows what of it is there, also if a later one succeeds. */
  sync(done: FileDone): void;
  /** Fills `into` from `offset` on; how many bytes there were, fewer at the end of the file only. */
  read(into: Uint8Array, offset: number): Promise<number>;
  size(): Promise<number>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface LogFiles {
  /** The folder, for messages. */
  readonly where: string;
  list(): Promise<readonly string[]>;
  /** To read and to write. Rejects with ENOENT when there is none. */
  open(name: string): Promise<LogFile>;
  /** Empty; takes the place of one that is there. Durable once the folder is synced. */
  create(name: string): Promise<LogFile>;
  rename(name: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Room for more, for this process. */
  freeBytes(): Promise<number>;
  /** Makes creations, renames and removals durable. */
  syncFolder(): Promise<void>;
}

/** `write` as a promise, for where speed does not matter. */
export function written(file: LogFile, bytes: Uint8Array, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(bytes, offset, (error) => (error ? reject(error) : resolve()));
  });
}

/** `sync` as a promise. */
export function synced(file: LogFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync((error) => (error ? reject(error) : resolve()));
  });
}
