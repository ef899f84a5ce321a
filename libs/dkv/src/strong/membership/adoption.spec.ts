/** How a node comes to know the newest configuration: asked for once, kept before it counts, and only of its own cluster. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { microtasks } from '../../../testing/microtasks.js';
import { testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { configurationOf, notedConfiguration, textOf } from '../../cluster/cluster-configuration.js';
import { withChanges, withMoved, withMoves, withoutLeft } from '../../cluster/configuration-changes.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type NodeMessage } from '../../model/node-messages.js';
import { type StrongRecord } from '../../model/strong-record.js';
import { GroupList } from '../group-list.js';
import { type StrongGroup } from '../strong-group.js';
import { Adoption } from './adoption.js';

const NODES = testNodes('a', 'b', 'c');
const FIRST: ClusterConfiguration = {
  ...configurationOf(testRing(NODES, { partitions: 4, replicas: 1 }), NODES),
  epoch: 1,
  clusterId: 'one',
};

let view: ClusterView;
let groups: GroupList;
let log: CapturedLog;
let kept: Map<string, string>;
let diskError: Error | undefined;
let said: [nodeId: string, message: NodeMessage][];
let clusterId: string;
let record: StrongRecord | undefined;
let reads: number;
let adoption: Adoption;

beforeEach(() => {
  kept = new Map();
  diskError = undefined;
  clusterId = 'one';
  record = undefined;
  reads = 0;
  begin(FIRST);
});

function begin(known: ClusterConfiguration, selfId = 'a'): void {
  view = new ClusterView(selfId, known, testRing(NODES).hashFunc);
  groups = new GroupList();
  log = new CapturedLog();
  said = [];
  adoption = new Adoption({
    view,
    groups,
    logger: log,
    clusterId: () => clusterId,
    say: (nodeId, message) => void said.push([nodeId, message]),
    store: {
      read: () => {
        reads++;
        return Promise.resolve(record);
      },
    },
    meta: {
      getMeta: (name) => Promise.resolve(kept.get(name)),
      putMeta: async (name, text) => {
        await microtasks();
        if (diskError) {
          throw diskError;
        }
        kept.set(name, text);
      },
    },
  });
}

const at = (epoch: number, differing: Partial<ClusterConfiguration> = {}): ClusterConfiguration => ({
  ...FIRST,
  epoch,
  ...differing,
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await microtasks();
  }
}

async function told(configuration: ClusterConfiguration): Promise<void> {
  adoption.receive('b', textOf(configuration));
  await settled();
}

describe('a peer that knows a later epoch', () => {
  const asked = () => said.filter(([, { kind }]) => kind === 'askConfiguration').map(([nodeId]) => nodeId);

  it('is asked, and nobody else until some ticks later', () => {
    adoption.heard('b', 1);
    expect(asked()).toEqual([]);
    adoption.heard('b', 2);
    adoption.heard('c', 2);
    expect(asked()).toEqual(['b']);
    for (let tick = 0; tick < 4; tick++) {
      adoption.tick();
    }
    adoption.heard('c', 2);
    expect(asked()).toEqual(['b']);
    adoption.tick();
    adoption.heard('c', 2);
    expect(asked()).toEqual(['b', 'c']);
  });

  it('may be asked at once for the next, when the one before has come', async () => {
    adoption.heard('b', 2);
    await told(at(2));
    adoption.heard('c', 3);
    expect(asked()).toEqual(['b', 'c']);
  });
});

it('tells what is agreed on, and nothing before there is something', () => {
  adoption.tell('b');
  begin({ ...FIRST, epoch: 0, clusterId: '' });
  adoption.tell('b');
  expect(said).toEqual([]);
  begin(FIRST);
  adoption.tell('b');
  expect(said).toEqual([['b', { kind: 'configuration', text: textOf(FIRST) }]]);
});

describe('a configuration that is told', () => {
  it('is kept before it is gone by', async () => {
    const epochs: (number | undefined)[] = [];
    view.onConfiguration(() => {
      epochs.push((JSON.parse(kept.get('configuration') ?? '{}') as { epoch?: number }).epoch);
    });
    await told(at(3));
    expect(view.epoch).toBe(3);
    expect(epochs).toEqual([3]);
  });

  it('is not gone by where the disk fails, and is when it comes again', async () => {
    diskError = new Error('no space');
    await told(at(3));
    expect([view.epoch, kept.size]).toEqual([1, 0]);
    await told(at(3));
    const told3 = "The cluster's configuration is not kept yet, which is tried again: no space";
    expect(log.errors).toEqual([told3]);
    diskError = undefined;
    await told(at(3));
    expect(view.epoch).toBe(3);
  });

  it.each<[string, ClusterConfiguration]>([
    ['of another cluster', at(9, { clusterId: 'two' })],
    ['of other partitions', at(9, { partitions: 2 })],
    ['of the same epoch', at(1, { classes: [{ number: 0, replicas: 0 }] })],
  ])('counts for nothing where it is %s', async (_, configuration) => {
    await told(configuration);
    expect(view.agreed).toBe(FIRST);
    expect(kept.size).toBe(0);
  });

  it('of another cluster counts for nothing either before the folder has noted to which it belongs', async () => {
    clusterId = '';
    await told(at(9, { clusterId: 'two' }));
    expect(view.agreed).toBe(FIRST);
  });

  it('of an earlier epoch than is known counts for nothing', async () => {
    await told(at(5));
    await told(at(4));
    expect(view.epoch).toBe(5);
    expect((await notedConfiguration({ getMeta: (name) => Promise.resolve(kept.get(name)) }))!.epoch).toBe(5);
  });

  it('that cannot be read is a warning', () => {
    adoption.receive('b', '{"members":[],"lists":[[0]]');
    expect(log.warnings).toHaveLength(1);
    expect(log.warnings[0]).toMatch(/node b sent cannot be read/);
  });

  it('makes of an empty folder one of that cluster', async () => {
    begin({ ...FIRST, epoch: 0, clusterId: '' });
    clusterId = '';
    await told(at(4));
    expect(view.agreed.clusterId).toBe('one');
  });
});

describe('a keeper of the configuration', () => {
  function keep(applied: number, differing: Partial<StrongGroup> = {}): void {
    const group = { number: CONFIGURATION_GROUP, isWhole: true, generation: 1, applied, ...differing };
    groups.withdraw(CONFIGURATION_GROUP);
    groups.remove(CONFIGURATION_GROUP);
    groups.add(group as StrongGroup);
  }

  function hold(configuration: ClusterConfiguration): void {
    const value = Buffer.from(textOf(configuration));
    record = { generation: 1, index: 1, expiresAtMs: 0, modifiedMs: 0, value };
  }

  it('goes by its own copy, and looks at it again when more is applied', async () => {
    keep(5);
    hold(at(2));
    adoption.tick();
    await settled();
    expect(view.epoch).toBe(2);
    hold(at(3));
    adoption.tick();
    await settled();
    expect([view.epoch, reads]).toEqual([2, 1]);
    keep(6);
    adoption.tick();
    await settled();
    expect([view.epoch, reads]).toEqual([3, 2]);
  });

  it('does not look at records that may not be shown', async () => {
    keep(5, { isWhole: false });
    hold(at(2));
    adoption.tick();
    await settled();
    expect([view.epoch, reads]).toEqual([1, 0]);
  });
});

describe('a node that leaves', () => {
  const leaving = withChanges(FIRST, [{ kind: 'leave', nodeId: 'a' }])!;

  /** Its partitions have moved. */
  function gone(): ClusterConfiguration {
    let now = leaving;
    while (now.members.some(({ nodeId }) => nodeId === 'a')) {
      now =
        withoutLeft(now, () => true) ??
        withMoves(now, 10) ??
        withMoved(
          now,
          now.moving.map(({ place }) => place),
        )!;
    }
    return now;
  }

  it('notes that it has left, over a start, and takes it back where it is taken in again', async () => {
    await told(leaving);
    expect(adoption.hasLeft).toBe(false);
    await told(gone());
    expect(adoption.hasLeft).toBe(true);
    const started = begun(gone());
    await started.open();
    expect(started.hasLeft).toBe(true);
    adoption = started;
    await told({ ...leaving, epoch: gone().epoch + 1, members: FIRST.members });
    expect(adoption.hasLeft).toBe(false);
    const again = begun(FIRST);
    await again.open();
    expect(again.hasLeft).toBe(false);
  });

  function begun(known: ClusterConfiguration): Adoption {
    begin(known);
    return adoption;
  }

  it('has not left where it never was a member', async () => {
    begin(FIRST, 'd');
    await told(at(2));
    expect(adoption.hasLeft).toBe(false);
  });
});
