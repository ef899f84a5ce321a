/** The note of where the log ends, in a file of its own: how a log that lost its end is told from one that has none. */
import { Buffer } from 'node:buffer';
import { crc32 } from '../../model/checksum.js';
import { isMissing } from './log-errors.js';
import { type LogFile, type LogFiles, synced, written } from './log-files.js';
import { readUInt48 } from './log-records.js';

export const NOTE_FILE = 'log-end';
const MAGIC = Buffer.from('DKE1').readUInt32LE(0);
const SLOT_BYTES = 64;
/** Two slots, in two sectors, written in turn: a torn write spoils the newer one only. */
const SLOT_OFFSETS = [0, 4096];

export interface EndNote {
  /** The log was durable up to here. */
  readonly position: number;
  /** CRC of the append that ends there. */
  readonly crc: number;
  /** Where the oldest segment begins: older files are left-overs, a missing one is damage. */
  readonly begin: number;
  /** The log was found to have forgotten something, and its node has not yet taken a new incarnation. */
  readonly forgot: boolean;
}

/** One write at a time; the caller sees to that. */
export class EndNoteFile {
  private constructor(
    private readonly file: LogFile,
    private sequence: number,
    /** What was written last. */
    readonly found: EndNote | undefined,
  ) {}

  /** Makes the file if there is none; its name is durable then. */
  static async open(files: LogFiles): Promise<EndNoteFile> {
    const file = await openOrCreate(files);
    const bytes = Buffer.alloc(SLOT_OFFSETS[1]! + SLOT_BYTES);
    await file.read(bytes, 0);
    let sequence = 0;
    let found: EndNote | undefined;
    for (const at of SLOT_OFFSETS) {
      const slot = bytes.subarray(at, at + SLOT_BYTES);
      const isWhole = slot.readUInt32LE(0) === MAGIC && slot.readUInt32LE(4) === crc32(slot.subarray(8));
      if (isWhole && readUInt48(slot, 8) > sequence) {
        sequence = readUInt48(slot, 8);
        found = {
          position: readUInt48(slot, 16),
          crc: slot.readUInt32LE(24),
          begin: readUInt48(slot, 32),
          forgot: slot[40] === 1,
        };
      }
    }
    return new EndNoteFile(file, sequence, found);
  }

  async write(note: EndNote, { sync }: { readonly sync: boolean }): Promise<void> {
    this.sequence++;
    const slot = Buffer.alloc(SLOT_BYTES);
    slot.writeUInt32LE(MAGIC, 0);
    slot.writeUIntLE(this.sequence, 8, 6);
    slot.writeUIntLE(note.position, 16, 6);
    slot.writeUInt32LE(note.crc, 24);
    slot.writeUIntLE(note.begin, 32, 6);
    slot[40] = note.forgot ? 1 : 0;
    slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
    await written(this.file, slot, SLOT_OFFSETS[this.sequence % 2]!);
    if (sync) {
      await synced(this.file);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

async function openOrCreate(files: LogFiles): Promise<LogFile> {
  try {
    return await files.open(NOTE_FILE);
  } catch (error) {
    if (!isMissing(error)) {
      throw error;
    }
    const file = await files.create(NOTE_FILE);
    await files.syncFolder();
    return file;
  }
}
