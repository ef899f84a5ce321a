/** The fixed list of nodes: how it is written, and what each wrong entry is told. */
import { describe, expect, it } from 'vitest';
import { caught, rejected } from '../../testing/caught.js';
import { testFixedDiscovery } from '../../testing/discovery-conformance.js';
import { testNode } from '../../testing/test-nodes.js';
import { StaticDiscovery, type StaticNode } from './static-discovery.js';

const parsed = (text: string) => StaticDiscovery.parse(text).getNodes();

describe('a list of nodes as text', () => {
  const plain = { weight: 1, zone: '' };

  it.each<[string, string, StaticNode[]]>([
    ['one node', 'a=10.0.0.1:7000', [{ nodeId: 'a', host: '10.0.0.1', port: 7000, ...plain }]],
    [
      'several, spaced and with commas too many',
      ' a=host-a:1 , b=host-b.example.org:65535,, ',
      [
        { nodeId: 'a', host: 'host-a', port: 1, ...plain },
        { nodeId: 'b', host: 'host-b.example.org', port: 65_535, ...plain },
      ],
    ],
    ['an IPv6 address', 'a=[::1]:7000', [{ nodeId: 'a', host: '::1', port: 7000, ...plain }]],
    [
      'a long IPv6 address',
      'a=[2001:db8::8a2e:370:7334]:7000;zone=x',
      [{ nodeId: 'a', host: '2001:db8::8a2e:370:7334', port: 7000, weight: 1, zone: 'x' }],
    ],
    ['a weight', 'a=h:1;weight=2', [{ nodeId: 'a', host: 'h', port: 1, weight: 2, zone: '' }]],
    [
      'a fraction of weight',
      'a=h:1;weight=0.5',
      [{ nodeId: 'a', host: 'h', port: 1, weight: 0.5, zone: '' }],
    ],
    ['a zone', 'a=h:1;zone=eu-1a', [{ nodeId: 'a', host: 'h', port: 1, weight: 1, zone: 'eu-1a' }]],
    [
      'both, the zone first',
      'a=h:1;zone=x;weight=3',
      [{ nodeId: 'a', host: 'h', port: 1, weight: 3, zone: 'x' }],
    ],
    ['no zone', 'a=h:1;zone=', [{ nodeId: 'a', host: 'h', port: 1, ...plain }]],
    [
      'a zone with an equals sign',
      'a=h:1;zone=rack=7',
      [{ nodeId: 'a', host: 'h', port: 1, weight: 1, zone: 'rack=7' }],
    ],
    [
      'a node id with every kind of character',
      'A.b_c-1=h:1',
      [{ nodeId: 'A.b_c-1', host: 'h', port: 1, ...plain }],
    ],
  ])('may hold %s', async (_, text, nodes) => {
    expect(await parsed(text)).toEqual(nodes);
  });

  it.each([
    ['no node id', '=h:1'],
    ['no host', 'c=:1'],
    ['a space for a host', 'c= :1'],
    ['a space before the host', 'c= h:1'],
    ['a space within the host', 'c=h h:1'],
    ['no port', 'c=h'],
    ['an empty port', 'c=h:'],
    ['port 0', 'c=h:0'],
    ['port 65536', 'c=h:65536'],
    ['a port that is no number', 'c=h:http'],
    ['a negative port', 'c=h:-1'],
    ['something behind the port', 'c=h:1/'],
    ['an IPv6 address without brackets', 'c=::1:7000'],
    ['brackets that are not closed', 'c=[::1:7000'],
    ['empty brackets', 'c=[]:7000'],
    ['no equals sign', 'c'],
    ['a wrong node id', 'c d=h:1'],
    ['a node id that is too long', `${'c'.repeat(101)}=h:1`],
    ['weight 0', 'c=h:1;weight=0'],
    ['a negative weight', 'c=h:1;weight=-1'],
    ['no weight', 'c=h:1;weight='],
    ['a weight that is no number', 'c=h:1;weight=heavy'],
    ['a weight without end', 'c=h:1;weight=Infinity'],
    ['an unknown property', 'c=h:1;wieght=2'],
    ['a property without a name', 'c=h:1;'],
    ['a node that stands there twice', 'c=h:1,c=h:2'],
  ])('is refused, naming the entry: %s', (_, entry) => {
    const error = caught(() => StaticDiscovery.parse(`a=host-a:7000,${entry},b=host-b:7000`));
    expect(error.code).toBe('DKV_INVALID_OPTIONS');
    const nodeId = entry.split('=')[0]!;
    expect(
      error.message.includes(JSON.stringify(entry)) || (nodeId !== '' && error.message.includes(nodeId)),
    ).toBe(true);
    expect(error.message).not.toMatch(/host-[ab]/);
  });

  it.each(['', ' ', ',', ' , ,'])('is refused when there is no node in it: %j', (text) => {
    expect(caught(() => StaticDiscovery.parse(text)).message).toContain('empty');
  });
});

describe('a list of nodes as objects', () => {
  it('fills in weight and zone', async () => {
    const discovery = new StaticDiscovery([
      { nodeId: 'a', host: 'h', port: 1 },
      testNode('b', { weight: 2, zone: 'z' }),
    ]);
    expect(await discovery.getNodes()).toEqual([
      { nodeId: 'a', host: 'h', port: 1, weight: 1, zone: '' },
      testNode('b', { weight: 2, zone: 'z' }),
    ]);
  });

  it('takes an absent weight or zone for none', async () => {
    const discovery = new StaticDiscovery([
      { nodeId: 'a', host: 'h', port: 1, weight: undefined, zone: undefined },
    ]);
    expect(await discovery.getNodes()).toEqual([{ nodeId: 'a', host: 'h', port: 1, weight: 1, zone: '' }]);
  });

  it.each<[string, Partial<StaticNode>]>([
    ['node id', { nodeId: 'b c' }],
    ['host', { host: '' }],
    ['port', { port: 7000.5 }],
    ['weight', { weight: Number.NaN }],
  ])('refuses a wrong %s', (_, wrong) => {
    expect(caught(() => new StaticDiscovery([{ ...testNode('b'), ...wrong }])).code).toBe(
      'DKV_INVALID_OPTIONS',
    );
  });
});

describe('a fixed list', () => {
  testFixedDiscovery(it, (nodes) => new StaticDiscovery(nodes));
});

describe('a node that registers', () => {
  const discovery = StaticDiscovery.parse('a=h:1,b=h:2');

  it('must be in the list', async () => {
    await expect(discovery.register(testNode('b'))).resolves.toBeUndefined();
    const error = await rejected(discovery.register(testNode('c')));
    expect(error.code).toBe('DKV_INVALID_OPTIONS');
    expect(error.message).toMatch(/\bc\b.*a, b.*nodeId/);
  });
});
