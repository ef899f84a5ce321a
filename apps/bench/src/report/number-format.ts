/** Numbers as people read them: three digits that say something, the rest not. */

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Three significant digits, none of them behind the point from 100 on. */
export function short(value: number): string {
  if (value >= 100) {
    return whole(value);
  }
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function megabytes(bytes: number): string {
  return short(bytes / 1024 / 1024);
}

export function valueSize(bytes: number): string {
  return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
