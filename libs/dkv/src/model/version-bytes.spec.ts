import { describe, expect, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { formatVersion, isVersion, joinVersion } from './version.js';
import { isVersionAt } from './version-bytes.js';

const random = new SimRandom(7);
const upTo = (bound: number) => Math.floor(random.next() * bound);
const version = formatVersion({ physicalMs: 1_700_000_000_000, counter: 7, nodeId: 'node-a.1_B', boot: 3 });
const longest = formatVersion({ physicalMs: 0, counter: 0, nodeId: 'x'.repeat(100), boot: 0 });
const SOUND = [version, joinVersion(version, 'b', 9), joinVersion(longest, 'y'.repeat(100), 2)];
const UNSOUND = [
  '',
  '-',
  `${version}+`,
  `${joinVersion(version, 'b', 9)}+0000-c!00000001`,
  version.replace('node-a.1_B', ''),
  version.replace('node-a.1_B', 'x'.repeat(101)),
  version.toUpperCase(),
];

/** Amid other bytes, none of which may count. */
function verdict(text: string): boolean {
  const bytes = Buffer.from(`ab${text}01`, 'latin1');
  return isVersionAt(bytes, 2, bytes.length - 2);
}

describe('a version in bytes', () => {
  it.each(SOUND)('is one: %s', (text) => {
    expect([verdict(text), isVersion(text)]).toEqual([true, true]);
  });

  it.each(UNSOUND)('is none: %s', (text) => {
    expect([verdict(text), isVersion(text)]).toEqual([false, false]);
  });

  it('is one where its text is, whatever is changed or cut off', () => {
    const letters = '0189afgzAZ._-!+ \n\0\x80\xff';
    let sound = 0;
    for (let left = 100_000; left > 0; left--) {
      const text = SOUND[upTo(SOUND.length)]!;
      const at = upTo(text.length);
      const changed =
        upTo(8) === 0
          ? text.slice(0, at)
          : text.slice(0, at) + letters[upTo(letters.length)]! + text.slice(at + upTo(3));
      expect(verdict(changed), JSON.stringify(changed)).toBe(isVersion(changed));
      sound += isVersion(changed) ? 1 : 0;
    }
    expect(sound).toBeGreaterThan(10_000);
  });
});
