/** Opens a node log: replays it, cuts off what was never finished, and tells whether it forgot what it had promised. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../../dkv.errors.js';
import { type Clock } from '../../ports/clock.js';
import { type Logger } from '../../ports/logger.js';
import { type LogEnd, type LogReplay, type NodeLog } from '../../ports/node-log.js';
import { type EndNote, EndNoteFile } from './end-note.js';
import { FileNodeLog } from './file-node-log.js';
import { folderSynced, logDamaged, openFailed } from './log-errors.js';
import { type LogFile, type LogFiles, synced, written } from './log-files.js';
import { LogScan } from './log-scan.js';
import { type LogDurability, LogWriter } from './log-writer.js';
import { ReserveFile } from './reserve-file.js';
import { segmentName, segmentStart } from './segments.js';

const MIB = 1024 * 1024;

export interface NodeLogOptions {
  readonly files: LogFiles;
  readonly durability: LogDurability;
  /** Notes the end and tries again after errors that pass, every `tickMs`. */
  readonly clock: Clock;
  readonly logger: Logger;
  /** The node's data folder, for messages. Default: the folder of the log. */
  readonly dataDir?: string;
  /** A segment takes no append beyond this, unless it is its first. Default 64 MiB. */
  readonly segmentBytesMax?: number;
  /** Bytes flushed and not written; more are refused with `DKV_OVERLOADED`. Default 64 MiB. */
  readonly pendingBytesMax?: number;
  /** Disk space held back for a full disk; 0 for none. Default 64 MiB. */
  readonly reserveBytes?: number;
  /** Default 1,000. */
  readonly tickMs?: number;
  /** The next append is at this position at least: what the store or a peer knows of the log. Default 0. */
  readonly positionFloor?: number;
  /**
   * Goes on without what is behind damage instead of refusing; `LogEnd.forgot` is set then. For `dkv recover`, and for a
   * crash of the machine under `wal`, after which the node is a new voter in any case. Segments behind the damage are kept
   * as `….cut`. Default false.
   */
  readonly cutDamage?: boolean;
}

export interface OpenedNodeLog {
  readonly log: NodeLog;
  readonly end: LogEnd;
}

/**
 * `replay` is shown everything before this resolves; what it was shown counts for nothing when this rejects.
 * @throws DkvError `DKV_LOG_DAMAGED` for damage that is not a torn end, `DKV_STORE_MISMATCH` for a log of another version,
 * `DKV_STORAGE_FAILED` when files cannot be read or written
 */
export async function openNodeLog(options: NodeLogOptions, replay: LogReplay): Promise<OpenedNodeLog> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    return await open(options, replay, opened);
  } catch (error) {
    await Promise.allSettled(opened.map((file) => file.close()));
    const isOfTheSystem =
      typeof (error as { code?: unknown }).code === 'string' && !(error instanceof DkvError);
    throw isOfTheSystem ? openFailed(options.files.where, error) : error;
  }
}

async function open(
  options: NodeLogOptions,
  replay: LogReplay,
  opened: { close(): Promise<void> }[],
): Promise<OpenedNodeLog> {
  const { files, durability, clock, logger } = options;
  const noteFile = await EndNoteFile.open(files);
  opened.push(noteFile);
  const note = noteFile.found;
  const starts = await neededSegments(files, note);
  const scan = new LogScan(files, note, replay);
  await scan.run(starts);
  if (scan.damage && !options.cutDamage) {
    const { file, offset, what } = scan.damage;
    throw logDamaged(files.where, options.dataDir ?? files.where, file, offset, what);
  }
  const forgot = whatWasForgotten(scan, note);
  let forgotten: EndNote | undefined;
  if (forgot !== undefined) {
    forgotten = {
      position: note?.position ?? scan.position,
      crc: note?.crc ?? scan.crc,
      begin: scan.segments.all[0]?.start ?? Math.max(note?.position ?? 0, options.positionFloor ?? 0),
      forgot: true,
    };
    // Before anything is cut: a crash from here on must not make the node take itself for its old self.
    await noteFile.write(forgotten, { sync: true });
    logger.warn(`The log in ${files.where} forgot what it had: ${forgot}.`);
  } else if (scan.tornBytes > 0) {
    logger.warn(
      `The log in ${files.where} ended in ${scan.tornBytes} bytes of an append that was never finished; cut.`,
    );
  }
  const file = await mend(options, scan, starts);
  if (file) {
    opened.push(file);
  }
  // What was forgotten keeps its positions: peers may know them.
  const floor = Math.max(options.positionFloor ?? 0, forgotten?.position ?? 0);
  const reserve = new ReserveFile(files, options.reserveBytes ?? 64 * MIB);
  const writer = new LogWriter(
    {
      files,
      durability,
      logger,
      segmentBytesMax: options.segmentBytesMax ?? 64 * MIB,
      pendingBytesMax: options.pendingBytesMax ?? 64 * MIB,
      reserve,
    },
    {
      segments: scan.segments,
      hardStates: scan.hardStates,
      file,
      position: scan.position,
      crc: scan.crc,
      floor,
    },
  );
  if (!file) {
    await writer.begin();
  } else if (floor > scan.position) {
    await writer.begin().catch((error: unknown) => writer.refuse(error));
  }
  // A second or two of a slow disk, which nobody need wait for.
  writer.room.hold();
  const log = new FileNodeLog(writer, noteFile, {
    files,
    durability,
    clock,
    logger,
    tickMs: options.tickMs ?? 1_000,
    openedPosition: scan.position,
    forgotten,
  });
  return { log, end: { position: scan.position, tornBytes: scan.tornBytes, forgot } };
}

/** Where the segments begin, in order; left-overs of deletions that a crash undid are deleted. */
async function neededSegments(files: LogFiles, note: EndNote | undefined): Promise<readonly number[]> {
  const starts = (await files.list())
    .map(segmentStart)
    .filter((start) => start !== undefined)
    .sort((a, b) => a - b);
  const begin = note?.begin ?? 0;
  for (const start of starts.filter((candidate) => candidate < begin)) {
    await files.remove(segmentName(start));
  }
  return starts.filter((start) => start >= begin);
}

/** In words for an operator: why the node may not go on as the voter that it was. */
function whatWasForgotten(scan: LogScan, note: EndNote | undefined): string | undefined {
  if (scan.damage) {
    const { file, offset, what } = scan.damage;
    return `it was cut at ${file}, offset ${offset}: ${what}`;
  }
  if (note && scan.position < note.position) {
    return `it ends at position ${scan.position}, and was durable up to ${note.position} (an older copy? a lost file?)`;
  }
  if (note && !scan.matchesNote) {
    return `it has something else at position ${note.position} than when that was noted (an older copy?)`;
  }
  return note?.forgot ? 'that was found at an earlier start, which did not come to its end' : undefined;
}

/** Cuts off what is behind the end, syncs older segments, and opens the last one; undefined when there is none. */
async function mend(
  options: NodeLogOptions,
  scan: LogScan,
  starts: readonly number[],
): Promise<LogFile | undefined> {
  const { files } = options;
  const kept = scan.segments.all.length;
  // Newest first: a crash in between leaves a log that ends at the same place.
  for (const start of starts.slice(kept).reverse()) {
    const name = segmentName(start);
    await (scan.damage ? files.rename(name, `${name}.cut`) : files.remove(name));
  }
  if (kept === 0) {
    return undefined;
  }
  // Under `wal` a process may have been killed before it had synced them, and nothing does so later.
  for (const older of scan.segments.all.slice(0, -1)) {
    await syncNamed(files, older.name);
  }
  const { name, sizeBytes } = scan.segments.current;
  const file = await files.open(name);
  try {
    const isCut = (await file.size()) > sizeBytes;
    if (isCut) {
      await file.truncate(sizeBytes);
    }
    if (isCut || options.durability === 'fsync') {
      await makeDurable(file, scan, sizeBytes);
    }
    await folderSynced(files);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function syncNamed(files: LogFiles, name: string): Promise<void> {
  const file = await files.open(name);
  try {
    await synced(file);
  } finally {
    await file.close();
  }
}

/**
 * What was read counts as durable from here on. The last append may be in the page cache only, even marked as clean there
 * when its sync failed (Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020): it is written again.
 */
async function makeDurable(file: LogFile, scan: LogScan, sizeBytes: number): Promise<void> {
  const bytes = Buffer.allocUnsafe(scan.lastAppendBytes);
  const offset = sizeBytes - bytes.length;
  await file.read(bytes, offset);
  await written(file, bytes, offset);
  await synced(file);
}
