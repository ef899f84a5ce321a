/** When followers are told what is committed, and with which frames. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { CommitAnnouncements } from './commit-announcements.js';
import { type StrongGroup } from './strong-group.js';

/** A group whose commit the nodes of `untold` were not told of. */
function groupWith(number: number, untold: Set<string>): StrongGroup {
  const raft = {
    get hasUnannouncedCommit() {
      return untold.size > 0;
    },
  };
  return { number, raft, isUnannounced: false } as unknown as StrongGroup;
}

function setup() {
  const clock = new ManualClock();
  const told: string[] = [];
  const untold = new Map<number, Set<string>>();
  const announcements = new CommitAnnouncements(clock, {
    announceTo: ({ number }, nodeId) => {
      if (untold.get(number)!.delete(nodeId)) {
        told.push(`${number} to ${nodeId}`);
      }
    },
    announce: ({ number }) => {
      told.push(`${number} to all`);
      untold.get(number)!.clear();
    },
    dueTurn: () => told.push('turn'),
  });
  const note = (number: number, ...nodes: string[]): StrongGroup => {
    untold.set(number, new Set(nodes));
    const group = groupWith(number, untold.get(number)!);
    announcements.note(group);
    return group;
  };
  const flush = (...nodes: string[]) => announcements.flush(nodes.map((nodeId) => ({ nodeId })));
  return { clock, told, note, flush };
}

describe('a commit', () => {
  it('is told to whom a frame leaves, and to the others a moment later', () => {
    const { clock, told, note, flush } = setup();
    note(1, 'b', 'c');
    flush('b');
    flush();
    expect(told).toEqual(['1 to b']);
    clock.advance(5);
    flush();
    expect(told).toEqual(['1 to b', 'turn', '1 to all']);
  });

  it('is told later to none where all were told before: no turn is begun for it', () => {
    const { clock, told, note, flush } = setup();
    const group = note(1, 'b', 'c');
    flush('b', 'c');
    expect(group.isUnannounced).toBe(false);
    clock.advance(100);
    expect(told).toEqual(['1 to b', '1 to c']);
  });

  it('of which all know is not noted', () => {
    const { clock, told, note } = setup();
    note(1);
    clock.advance(100);
    expect(told).toEqual([]);
  });

  it('that came after another one waits no longer for that: one turn tells both, the next ones wait anew', () => {
    const { clock, told, note, flush } = setup();
    note(1, 'b');
    clock.advance(3);
    note(2, 'b');
    clock.advance(2);
    flush();
    expect(told).toEqual(['turn', '1 to all', '2 to all']);
    note(3, 'b');
    flush();
    clock.advance(4);
    expect(told).toHaveLength(3);
    clock.advance(1);
    flush('b');
    expect(told.slice(3)).toEqual(['turn', '3 to all']);
  });
});
