/** Who is born, by what the nodes have noted and which of them have forgotten: rule 0. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { microtasks } from '../../testing/microtasks.js';
import { ClassBirth, type ClassMessage, type ClassNote, type ClassNotes } from './class-birth.js';
import { type PeerDirectory } from './peer-directory.js';
import { Peer } from './peers.js';

const COPIES = 2;
/** What the lists are does not matter here, as long as they are kept. */
const LISTS = [[0, 1]];
const NONE: ClassNote = { members: [], lists: [], isBorn: false };
const accepted = (...members: string[]): ClassNote => ({ members, lists: LISTS, isBorn: false });

/** Node a, or `self`, of the nodes a, b and c. */
class Birthplace {
  readonly said: (ClassMessage & { readonly to: string })[] = [];
  readonly peers: Peer[];
  noted: ClassNotes = {};
  born: readonly string[] | undefined;
  hasGroups = false;
  readonly birth: ClassBirth;

  constructor(self = 'a@1', found: ClassNote = NONE) {
    const others = ['a', 'b', 'c'].filter((nodeId) => !self.startsWith(nodeId));
    this.peers = others.map((nodeId) => Object.assign(new Peer(nodeId), { incarnation: '1' }));
    const directory = {
      all: this.peers,
      find: (nodeId: string) => this.peers.find((peer) => peer.nodeId === nodeId),
      isUp: () => true,
    };
    this.birth = new ClassBirth(
      {
        selfId: self[0]!,
        self: () => self,
        nodeIds: () => ['c', 'a', 'b'],
        listsOf: () => LISTS,
        directory: () => directory as unknown as PeerDirectory,
        logger: new CapturedLog(),
        isClusterBorn: () => true,
        bornWithCluster: () => undefined,
        classesOfCluster: () => [],
        hasGroups: () => this.hasGroups,
        post: (to, message) => void this.said.push({ ...message, to }),
        note: async (notes) => {
          this.noted = notes;
        },
        born: (_, { members }) => (this.born = members),
      },
      { [COPIES]: found },
    );
    this.birth.want(COPIES);
  }

  peer(nodeId: string): Peer {
    return this.peers.find((peer) => peer.nodeId === nodeId)!;
  }

  async hears(
    nodeId: string,
    { members, lists, isBorn }: ClassNote,
    intent: ClassMessage['intent'] = 'tell',
  ): Promise<void> {
    this.birth.receive(this.peer(nodeId), {
      kind: 'class',
      placement: COPIES,
      intent,
      members,
      lists,
      isBorn,
    });
    await microtasks();
  }

  proposed(): (readonly string[])[] {
    return this.said.filter(({ intent }) => intent === 'propose').map(({ members }) => members);
  }
}

describe('the lowest node', () => {
  it('proposes the incarnations that there are once all have said that they know of none, and they are born when all accept', async () => {
    const place = new Birthplace();
    place.peer('b').incarnation = '7';
    place.birth.tick();
    expect(place.said.map(({ to, intent }) => [to, intent])).toEqual([
      ['c', 'ask'],
      ['b', 'ask'],
    ]);
    await place.hears('b', NONE);
    expect(place.proposed()).toEqual([]);
    await place.hears('c', NONE);
    const members = ['a@1', 'b@7', 'c@1'];
    expect(place.noted).toEqual({ [COPIES]: accepted(...members) });
    expect(place.proposed()).toEqual([members, members]);
    await place.hears('b', accepted(...members));
    expect(place.born).toBeUndefined();
    await place.hears('c', accepted(...members));
    expect(place.born).toEqual(members);
    expect(place.noted).toEqual({ [COPIES]: { members, lists: LISTS, isBorn: true } });
  });

  it('asks again whoever has come back as another since it answered', async () => {
    const place = new Birthplace();
    await place.hears('b', NONE);
    place.peer('b').incarnation = '2';
    await place.hears('c', NONE);
    expect(place.proposed()).toEqual([]);
    await place.hears('b', NONE);
    expect(place.proposed()[0]).toEqual(['a@1', 'b@2', 'c@1']);
  });

  it('takes over what another knows to be born', async () => {
    const place = new Birthplace();
    const members = ['a@0', 'b@0', 'c@1'];
    await place.hears('b', NONE);
    await place.hears('c', { members, lists: LISTS, isBorn: true });
    expect(place.proposed()).toEqual([]);
    expect(place.born).toEqual(members);
  });

  it('proposes again what it may have told to be born before it forgot', async () => {
    const place = new Birthplace('a@2');
    const members = ['a@1', 'b@0', 'c@1'];
    // b has forgotten, too; all others that were proposed have accepted.
    await place.hears('b', NONE);
    await place.hears('c', accepted(...members));
    expect(place.proposed()).toEqual([members]);
  });

  it('proposes others where one of those had not accepted', async () => {
    const place = new Birthplace('a@2');
    await place.hears('b', NONE);
    await place.hears('c', accepted('a@1', 'b@1', 'c@1'));
    expect(place.proposed()[0]).toEqual(['a@2', 'b@1', 'c@1']);
  });

  it('proposes others where it has not forgotten that these were not born', async () => {
    const place = new Birthplace('a@1', accepted('a@1', 'b@0', 'c@1'));
    await place.hears('b', NONE);
    await place.hears('c', accepted('a@1', 'b@0', 'c@1'));
    expect(place.proposed()[0]).toEqual(['a@1', 'b@1', 'c@1']);
  });
});

describe('any other node', () => {
  it('accepts durably what the lowest proposes, and says so', async () => {
    const place = new Birthplace('b@1');
    await place.hears('a', accepted('a@1', 'b@1', 'c@1'), 'propose');
    expect(place.noted).toEqual({ [COPIES]: accepted('a@1', 'b@1', 'c@1') });
    expect(place.said.at(-1)).toMatchObject({ to: 'a', intent: 'tell', members: ['a@1', 'b@1', 'c@1'] });
    expect(place.born).toBeUndefined();
  });

  it('accepts nothing of others, and nothing where it has such a group, of which it tells', async () => {
    const place = new Birthplace('b@1');
    await place.hears('c', accepted('a@1', 'b@1', 'c@1'), 'propose');
    place.hasGroups = true;
    await place.hears('a', accepted('a@1', 'b@1', 'c@1'), 'propose');
    expect(place.noted).toEqual({});
    expect(place.said.at(-1)).toMatchObject({ to: 'a', intent: 'tell', members: [], isBorn: true });
  });

  it('proposes nothing itself', async () => {
    const place = new Birthplace('b@1');
    await place.hears('a', NONE);
    await place.hears('c', NONE);
    expect(place.proposed()).toEqual([]);
    expect(place.birth.missing).toEqual([]);
  });
});
