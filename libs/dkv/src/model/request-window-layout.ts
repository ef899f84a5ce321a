/** The bytes of a window of requests, read only when someone asks: most who hold a record never do. */
import {
  type AppliedRequest,
  isRequestId,
  NO_REQUEST,
  type RequestId,
  type RequestWindow,
  REQUESTS_MAX,
} from './request-window.js';
import { isVersion } from './version.js';
import { isVersionAt } from './version-bytes.js';

/*
 * The id of the last request forgotten (12 bytes), if there is one; for each request its id (12), the bytes of its
 * version (1), its version (ASCII).
 */
const REQUEST_ID_BYTES = 12;
const FAULT = 'its requests are not well formed';

export function bytesOfWindow(window: RequestWindow): number {
  const { applied, forgotten } = window;
  let bytes = forgotten === NO_REQUEST ? 0 : REQUEST_ID_BYTES;
  for (const { version } of applied) {
    bytes += REQUEST_ID_BYTES + 1 + version.length;
  }
  return bytes;
}

export function writeWindow(bytes: Buffer, at: number, { applied, forgotten }: RequestWindow): void {
  let end = at + (forgotten === NO_REQUEST ? 0 : bytes.write(forgotten, at, 'hex'));
  for (const { id, version } of applied) {
    end += bytes.write(id, end, 'hex');
    bytes[end++] = version.length;
    end += bytes.write(version, end, 'latin1');
  }
}

/** Where the window that begins at `at` ends; past the end of the view when its lengths are wrong. */
export function windowEnd(view: Buffer, at: number, count: number, forgets: boolean): number {
  let end = at + (forgets ? REQUEST_ID_BYTES : 0);
  for (let left = count; left > 0 && end < view.length; left--) {
    end += REQUEST_ID_BYTES + 1 + (view[end + REQUEST_ID_BYTES] ?? 0);
  }
  return end;
}

/** What of a window breaks the layout's limits. */
export function windowFault({ applied, forgotten }: RequestWindow): string | undefined {
  const isSound =
    applied.length <= REQUESTS_MAX &&
    applied.every(({ id, version }) => isRequestId(id) && isVersion(version)) &&
    (forgotten === NO_REQUEST || isRequestId(forgotten));
  return isSound ? undefined : FAULT;
}

/** What of the window in `view` breaks the layout's limits; ids are sound whatever their bytes. */
export function storedWindowFault(
  view: Buffer,
  at: number,
  count: number,
  forgets: boolean,
): string | undefined {
  if (count > REQUESTS_MAX) {
    return FAULT;
  }
  let end = at + (forgets ? REQUEST_ID_BYTES : 0);
  for (let left = count; left > 0; left--) {
    const versionAt = end + REQUEST_ID_BYTES + 1;
    end = versionAt + view[versionAt - 1]!;
    if (!isVersionAt(view, versionAt, end)) {
      return FAULT;
    }
  }
  return undefined;
}

/** The window in `view`, which must not change any more. */
export function storedWindow(view: Buffer, at: number, count: number, forgets: boolean): RequestWindow {
  return new StoredWindow(view, at, count, forgets);
}

/** A class: an object with accessors of its own costs a microsecond to make. */
class StoredWindow implements RequestWindow {
  private read: readonly AppliedRequest[] | undefined;

  constructor(
    private readonly view: Buffer,
    private readonly at: number,
    private readonly count: number,
    private readonly forgets: boolean,
  ) {}

  get applied(): readonly AppliedRequest[] {
    this.read ??= appliedIn(this.view, this.at, this.count, this.forgets);
    return this.read;
  }

  get forgotten(): RequestId {
    return this.forgets ? this.view.toString('hex', this.at, this.at + REQUEST_ID_BYTES) : NO_REQUEST;
  }
}

function appliedIn(view: Buffer, at: number, count: number, forgets: boolean): readonly AppliedRequest[] {
  const applied: AppliedRequest[] = [];
  let idAt = at + (forgets ? REQUEST_ID_BYTES : 0);
  while (applied.length < count) {
    const lengthAt = idAt + REQUEST_ID_BYTES;
    const versionAt = lengthAt + 1;
    const end = versionAt + view[lengthAt]!;
    applied.push({
      id: view.toString('hex', idAt, lengthAt),
      version: view.toString('latin1', versionAt, end),
    });
    idAt = end;
  }
  return applied;
}
