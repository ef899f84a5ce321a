/** What all adapters that ask a service have of one class: when they tell, how often they ask, what they take for an answer. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { rejected } from '../../testing/caught.js';
import { elapse, STEADY } from '../../testing/discovery/stage.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { type ClusterNode } from '../model/node.js';
import { discoveryWorld } from './discovery-world.js';
import { WatchedDiscovery, type WatchedDiscoveryOptions } from './watched-discovery.js';

const A = testNode('a', { host: '10.0.0.1' });
const B = testNode('b', { host: '10.0.0.2' });

/** Tells what a test tells it to. */
class ScriptedDiscovery extends WatchedDiscovery {
  readonly updates: string[] = [];
  readonly announced: string[] = [];
  readonly log: CapturedLog;
  asked = 0;
  fails = false;
  /** Lets `announce` go on. */
  admitted: Promise<void> = Promise.resolve();
  tellNow: (nodes: readonly ClusterNode[]) => void = () => undefined;

  constructor(
    readonly clock = new ManualClock(),
    options: WatchedDiscoveryOptions = {},
  ) {
    const log = new CapturedLog();
    super('a script', discoveryWorld({ clock, random: STEADY, logger: log }), options);
    this.log = log;
  }

  registered(): Promise<void> {
    return this.register(A, (nodes) => this.updates.push(nodes.map(({ nodeId }) => nodeId).join()));
  }

  protected async list(): Promise<readonly ClusterNode[]> {
    return [A];
  }

  protected override async announce({ nodeId }: ClusterNode): Promise<void> {
    await this.admitted;
    this.announced.push(nodeId);
  }

  protected override async withdraw({ nodeId }: ClusterNode): Promise<void> {
    this.announced.splice(this.announced.indexOf(nodeId), 1);
  }

  protected async follow(tell: (nodes: readonly ClusterNode[]) => void, signal: AbortSignal): Promise<void> {
    this.asked++;
    if (this.fails) {
      throw new Error('connect ECONNREFUSED');
    }
    this.tellNow = tell;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  }
}

describe('what is told', () => {
  it('ends with the call of deregister, also what is told before that is done, and after', async () => {
    const discovery = new ScriptedDiscovery();
    await discovery.registered();
    discovery.tellNow([A]);
    const former = discovery.tellNow;
    const ended = discovery.deregister();
    discovery.tellNow([A, B]);
    await ended;
    discovery.tellNow([A, B]);
    expect(discovery.updates).toEqual(['a']);
    await discovery.registered();
    former([A]);
    discovery.tellNow([B, A]);
    expect(discovery.updates).toEqual(['a', 'a,b']);
    await discovery.deregister();
  });

  it('is never that there are thousands of nodes', async () => {
    const discovery = new ScriptedDiscovery();
    await discovery.registered();
    const many = testNodes(...Array.from({ length: 1_001 }, (_, at) => `n${at}`));
    expect(() => discovery.tellNow(many)).toThrow('it tells of 1001 nodes, and 1000 are the most');
    expect(discovery.updates).toEqual([]);
    await discovery.deregister();
  });

  it.each<[string, Partial<ClusterNode>]>([
    ['an id that is none', { nodeId: '../b' }],
    ['no host', { host: '' }],
    ['a port out of range', { port: 70_000 }],
    ['a weight that is none', { weight: Number.NaN }],
    ['a zone without end', { zone: 'z'.repeat(101) }],
    ['a public address', { host: '203.0.113.1' }],
  ])('leaves out a node with %s, and says so once', async (_, wrong) => {
    const discovery = new ScriptedDiscovery();
    await discovery.registered();
    discovery.tellNow([A, { ...B, ...wrong }]);
    discovery.tellNow([A, { ...B, ...wrong }]);
    expect(discovery.updates).toEqual(['a']);
    expect(discovery.log.warnings).toEqual([
      expect.stringMatching(/^Discovery by a script tells of a node that is left out: /),
    ]);
    await discovery.deregister();
  });
});

describe('a service that fails', () => {
  it('is asked less and less often, at least every 36 seconds, and again at once when it answers', async () => {
    const discovery = new ScriptedDiscovery();
    discovery.fails = true;
    await discovery.registered();
    await elapse(discovery.clock, 31_400);
    // At 0, 0.5, 1.5, 3.5, 7.5 and 15.5 s; then at 31.5 s, and each 30 s.
    expect(discovery.asked).toBe(6);
    await elapse(discovery.clock, 600_000);
    expect(discovery.asked).toBe(26);
    expect(discovery.log.warnings).toEqual([
      'Discovery by a script fails, which is tried again: connect ECONNREFUSED. What is known stays known.',
    ]);
    expect(discovery.trouble).toBe('Discovery by a script fails: connect ECONNREFUSED');
    discovery.fails = false;
    await elapse(discovery.clock, 36_000);
    discovery.tellNow([A]);
    expect(discovery.log.lines).toEqual([
      expect.stringMatching(/^Discovery by a script works again, after 6\d\d s\.$/),
    ]);
    await discovery.deregister();
    expect(discovery.clock.pendingTimers).toBe(0);
  });
});

describe('a registration', () => {
  it('that is under way is done before it is taken back', async () => {
    const discovery = new ScriptedDiscovery();
    let admit!: () => void;
    discovery.admitted = new Promise((resolve) => (admit = resolve));
    const registering = discovery.registered();
    const ended = discovery.deregister();
    admit();
    await Promise.all([registering, ended]);
    expect(discovery.announced).toEqual([]);
    expect(discovery.clock.pendingTimers).toBe(0);
  });

  it('is refused at a host that no other node would take, naming the remedy', async () => {
    const discovery = new ScriptedDiscovery(new ManualClock(), { allowedHosts: ['192.168.0.0/16'] });
    const error = await rejected(discovery.registered());
    expect(error.code).toBe('DKV_INVALID_OPTIONS');
    expect(error.message).toMatch(/announced at 10\.0\.0\.1, which allowedHosts has not: .*hostname/);
    expect(discovery.announced).toEqual([]);
  });
});
