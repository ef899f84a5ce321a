import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Belongings } from './belongings.js';

describe('belongings', () => {
  it('end in reverse order, once, a part before the whole', async () => {
    const ended: string[] = [];
    const all = new Belongings();
    all.add(() => void ended.push('first'));
    const part = all.part();
    part.add(() => void ended.push('part'));
    all.add(() => void ended.push('last'));
    await part.end();
    await all.end();
    await all.end();
    expect(ended).toEqual(['part', 'last', 'first']);
  });

  it('all end though one fails, and what comes too late ends at once', async () => {
    const ended: string[] = [];
    const all = new Belongings();
    const folder = all.folder();
    expect(existsSync(folder)).toBe(true);
    all.add(() => Promise.reject(new Error('stuck')));
    await expect(all.end()).rejects.toThrow(/stuck/);
    expect(existsSync(folder)).toBe(false);
    expect(() => all.add(() => void ended.push('late'))).toThrow(/stopped/);
    expect(ended).toEqual(['late']);
  });
});
