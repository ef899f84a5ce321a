/** The bytes of an entry of operations: encoded once, by the leader, and the same in every log and message. */
import { asBuffer, ByteReader } from '../model/byte-reader.js';
import { ByteWriter } from '../model/byte-writer.js';
import { KnownTexts } from '../model/known-texts.js';
import { NAMESPACE_BYTES_MAX, STORED_KEY_BYTES_MAX } from '../model/key.js';
import { type Request } from '../model/request.js';
import { readRequest, writeRequest } from '../model/request-layout.js';

/** What an operation does to a key, as decided by the leader: followers only apply it. */
export interface KeyChange {
  readonly namespace: string;
  readonly key: string;
  /** The value from now on; undefined removes the record. */
  readonly value: Uint8Array | undefined;
  /** Milliseconds since 1970; 0 is never. */
  readonly expiresAtMs: number;
}

export interface EntryOperation {
  /** `change` does what its changes say; `cancel` sees to it that a request which is not in the log never will be. */
  readonly kind: 'change' | 'cancel';
  /** Undefined for what no caller asked for: the removal of what expired. */
  readonly request: Request | undefined;
  /** Whether a reader saw a value just before. */
  readonly existed: boolean;
  /** Whether the value of the first change is a count, to be kept for the caller until it has it. */
  readonly isCount: boolean;
  readonly changes: readonly KeyChange[];
}

export interface OperationsEntry {
  /** Log time: milliseconds since 1970, never less than that of the entry before. */
  readonly timeMs: number;
  readonly operations: readonly EntryOperation[];
}

const IS_CANCEL = 1;
const HAS_REQUEST = 2;
const EXISTED = 4;
const IS_COUNT = 8;
const FLAGS = 16;
const CHANGES_MAX = 4_096;

const writer = new ByteWriter();
const namespaces = new KnownTexts();

export function encodeEntry({ timeMs, operations }: OperationsEntry): Uint8Array {
  writer.begin(0);
  writer.count(timeMs);
  writer.count(operations.length);
  for (const { kind, request, existed, isCount, changes } of operations) {
    writer.byte(
      (kind === 'cancel' ? IS_CANCEL : 0) |
        (request ? HAS_REQUEST : 0) |
        (existed ? EXISTED : 0) |
        (isCount ? IS_COUNT : 0),
    );
    if (request) {
      writeRequest(writer, request);
    }
    writer.count(changes.length);
    for (const { namespace, key, value, expiresAtMs } of changes) {
      writer.text(namespace);
      writer.text(key);
      writer.flag(value !== undefined);
      if (value) {
        writer.count(expiresAtMs);
        writer.block(value);
      }
    }
  }
  return writer.take(0);
}

/** Values are views of `data`. @throws DkvError `DKV_PROTOCOL` */
export function decodeEntry(data: Uint8Array): OperationsEntry {
  const reader = new ByteReader(asBuffer(data));
  const timeMs = reader.count();
  const operations = readList(reader, readOperation);
  reader.assertEnd();
  return { timeMs, operations };
}

function readOperation(reader: ByteReader): EntryOperation {
  const flags = reader.choice(FLAGS);
  const request = flags & HAS_REQUEST ? readRequest(reader) : undefined;
  return {
    kind: flags & IS_CANCEL ? 'cancel' : 'change',
    request,
    existed: (flags & EXISTED) !== 0,
    isCount: (flags & IS_COUNT) !== 0,
    changes: readList(reader, readChange),
  };
}

function readChange(reader: ByteReader): KeyChange {
  const namespace = reader.knownText(namespaces, NAMESPACE_BYTES_MAX);
  const key = reader.text(STORED_KEY_BYTES_MAX);
  const hasValue = reader.flag();
  const expiresAtMs = hasValue ? reader.count() : 0;
  return { namespace, key, expiresAtMs, value: hasValue ? reader.block(reader.left) : undefined };
}

/** Nearly all have one element: made as a literal, since V8 gives an array that is pushed to room for 17. */
function readList<T>(reader: ByteReader, read: (from: ByteReader) => T): readonly T[] {
  const count = reader.elements(CHANGES_MAX);
  if (count === 1) {
    return [read(reader)];
  }
  const list: T[] = [];
  for (let left = count; left > 0; left--) {
    list.push(read(reader));
  }
  return list;
}
