/** What a {@link Discovery} must do, as tests that each implementation passes. */
import assert from 'node:assert/strict';
import { isDkvError } from '../src/dkv.errors.js';
import { type ClusterNode } from '../src/model/node.js';
import { type Discovery } from '../src/ports/discovery.js';

/** A service by which nodes find each other, and the processes that ask it, for one test. */
export interface DiscoveryStage {
  /** Of the process of a node; it has not registered. */
  discoveryOf(node: ClusterNode): Discovery;
  /** Another process is there: of a registry, one that has registered. */
  join(node: ClusterNode): Promise<void>;
  /** It has stopped in order. */
  leave(nodeId: string): Promise<void>;
  /** It was killed: it says nothing any more, and renews nothing. */
  crash(nodeId: string): Promise<void>;
  /** The service fails so from now on: one of the subject's `failures`; undefined for not any more. */
  fail(failure: string | undefined): void;
  /** The service starts again, and has forgotten what such a service forgets then. */
  restart(): Promise<void>;
  /** Time passes, on a clock that the stage drives, and what it brings about is done. */
  elapse(ms: number): Promise<void>;
  /** What was warned of until now. */
  readonly warnings: readonly string[];
  /** Timers that neither ran nor were cancelled. */
  readonly pendingTimers: number;
}

/** A kind of discovery to be tested. */
export interface DiscoverySubject {
  /** Nodes announce themselves by `register`, or something else knows of them. */
  readonly kind: 'registry' | 'observer';
  /** How the service may fail. */
  readonly failures: readonly string[];
  /** After which a change is known, at the latest: that of a node that crashed too, and that after a failure is over. */
  readonly settleMs: number;
  readonly open: () => Promise<DiscoveryStage>;
}

type Test = (name: string, body: () => Promise<void>) => unknown;

const OUTAGE_MS = 10 * 60_000;

/** Nodes as a service of any kind can tell of them. */
const nodeOf = (nodeId: string, host: string): ClusterNode => ({
  nodeId,
  host,
  port: 7000,
  weight: 1,
  zone: '',
});
const A = nodeOf('app-a', '10.0.0.1');
const B = nodeOf('app-b', '10.0.0.2');
const C = nodeOf('app-c', '10.0.0.3');
const ids = (nodes: readonly ClusterNode[]) => nodes.map(({ nodeId }) => nodeId).sort();

/** The process of node A on a stage. */
class DiscoveryUnderTest {
  readonly updates: (readonly ClusterNode[])[] = [];
  readonly discovery: Discovery;

  constructor(
    readonly stage: DiscoveryStage,
    private readonly subject: DiscoverySubject,
  ) {
    this.discovery = stage.discoveryOf(A);
  }

  async register(): Promise<void> {
    if (this.subject.kind === 'observer') {
      await this.stage.join(A);
    }
    await this.discovery.register(A, (nodes) => this.updates.push(nodes));
    await this.settle();
  }

  settle(): Promise<void> {
    return this.stage.elapse(this.subject.settleMs);
  }

  /** What was told last, by id. */
  get told(): readonly string[] {
    return ids(this.updates.at(-1) ?? []);
  }
}

/**
 * Defines the tests of a Discovery with `test`, a runner's `test` or `it` (Vitest, Jest, node:test). The assertions are
 * `node:assert/strict`.
 */
export function testDiscovery(test: Test, subject: DiscoverySubject): void {
  const define = (title: string, body: (under: DiscoveryUnderTest) => Promise<void>) =>
    test(title, async () => {
      const under = new DiscoveryUnderTest(await subject.open(), subject);
      try {
        await body(under);
      } finally {
        under.stage.fail(undefined);
        await under.discovery.deregister();
      }
    });
  defineChanges(define);
  defineFailures(define, subject);
  defineRegistration(define, subject);
}

/**
 * The same for a discovery that shows the same nodes for ever, made of these: nothing of it changes or fails.
 */
export function testFixedDiscovery(test: Test, make: (nodes: readonly ClusterNode[]) => Discovery): void {
  const define = (title: string, body: (discovery: Discovery) => Promise<void>) =>
    test(title, () => body(make([A, B])));
  const unchanged = () => assert.fail('It told of a change.');

  define('tells all nodes, before and after they register', async (discovery) => {
    assert.deepEqual(await discovery.getNodes(), [A, B]);
    await discovery.register(A, unchanged);
    await discovery.register(A, unchanged);
    assert.deepEqual(await discovery.getNodes(), [A, B]);
  });

  define('takes no other node, whose registration would reach nobody', async (discovery) => {
    await assert.rejects(discovery.register(C, unchanged), { code: 'DKV_INVALID_OPTIONS' });
  });

  define(
    'deregisters without having registered, twice as once, and is never in trouble',
    async (discovery) => {
      await discovery.deregister();
      await discovery.register(A, unchanged);
      await discovery.deregister();
      await discovery.deregister();
      assert.deepEqual(await discovery.getNodes(), [A, B]);
      assert.equal(discovery.trouble, undefined);
    },
  );
}

type Define = (title: string, body: (under: DiscoveryUnderTest) => Promise<void>) => void;

function defineChanges(define: Define): void {
  define('tells all nodes with their addresses, this one included', async (under) => {
    await under.stage.join(B);
    await under.register();
    assert.deepEqual(await under.discovery.getNodes(), [A, B]);
    assert.deepEqual(under.updates.at(-1), [A, B]);
  });

  define('tells when a node joins, leaves, and crashes without a good-bye', async (under) => {
    await under.register();
    assert.deepEqual(under.told, ['app-a']);
    await under.stage.join(B);
    await under.stage.join(C);
    await under.settle();
    assert.deepEqual(under.told, ['app-a', 'app-b', 'app-c']);
    await under.stage.leave('app-b');
    await under.settle();
    assert.deepEqual(under.told, ['app-a', 'app-c']);
    await under.stage.crash('app-c');
    await under.settle();
    assert.deepEqual(under.told, ['app-a']);
  });

  define('tells the address of now of a node that comes and goes, and nothing twice', async (under) => {
    await under.register();
    for (let round = 1; round <= 5; round++) {
      await under.stage.join({ ...B, host: `10.0.1.${round}` });
      await under.stage.elapse(100);
      await under.stage.leave('app-b');
      await under.stage.elapse(100);
    }
    await under.stage.join({ ...B, host: '10.0.1.9' });
    await under.settle();
    assert.deepEqual(under.updates.at(-1), [A, { ...B, host: '10.0.1.9' }]);
    const texts = under.updates.map((nodes) => JSON.stringify(nodes));
    assert.ok(texts.every((text, at) => text !== texts[at - 1]));
    assert.ok(under.updates.length <= 12, `${under.updates.length} updates for 11 changes`);
  });

  define('goes on where nothing has changed, and tells nothing', async (under) => {
    await under.stage.join(B);
    await under.register();
    const told = under.updates.length;
    await under.stage.elapse(OUTAGE_MS);
    assert.equal(under.updates.length, told);
    assert.deepEqual(ids(await under.discovery.getNodes()), ['app-a', 'app-b']);
    assert.equal(under.discovery.trouble, undefined);
    assert.deepEqual(under.stage.warnings, []);
  });
}

function defineFailures(define: Define, { failures }: DiscoverySubject): void {
  for (const failure of failures) {
    define(`knows the nodes that it knew while the service fails for minutes: ${failure}`, async (under) => {
      const { stage, discovery } = under;
      await stage.join(B);
      await under.register();
      const told = under.updates.length;
      stage.fail(failure);
      const asked = discovery.getNodes().catch((error: unknown) => error);
      await stage.elapse(OUTAGE_MS);
      const answer = await asked;
      assert.ok(isDkvError(answer, 'DKV_DISCOVERY_FAILED'), `not an error: ${JSON.stringify(answer)}`);
      assert.equal(under.updates.length, told, 'a failure was told as a change');
      assert.match(discovery.trouble ?? '', /fails: .*of \d{3} s ago/);
      assert.ok(stage.warnings.length >= 1 && stage.warnings.length <= 2, stage.warnings.join('\n'));

      stage.fail(undefined);
      await stage.join(C);
      await under.settle();
      assert.deepEqual(under.told, ['app-a', 'app-b', 'app-c']);
      assert.equal(discovery.trouble, undefined);
    });
  }

  define('finds all nodes again after the service was restarted', async (under) => {
    await under.stage.join(B);
    await under.register();
    await under.stage.restart();
    await under.settle();
    assert.deepEqual(under.told, ['app-a', 'app-b']);
    assert.deepEqual(ids(await under.discovery.getNodes()), ['app-a', 'app-b']);
    assert.ok(under.updates.every((nodes) => ids(nodes).includes('app-a')));
    assert.equal(under.discovery.trouble, undefined);
  });

  define('leaves out a node at a host that is not allowed, and says so once', async (under) => {
    await under.register();
    await under.stage.join({ ...B, host: '169.254.169.254' }).catch(() => undefined);
    await under.settle();
    await under.settle();
    assert.deepEqual(under.told, ['app-a']);
    assert.deepEqual(ids(await under.discovery.getNodes()), ['app-a']);
    assert.ok(under.stage.warnings.filter((line) => line.includes('169.254.169.254')).length <= 1);
  });
}

function defineRegistration(define: Define, { kind, failures, settleMs }: DiscoverySubject): void {
  define('registers twice as once, and tells whoever asked last', async (under) => {
    await under.register();
    const told = under.updates.length;
    const later: (readonly ClusterNode[])[] = [];
    await under.discovery.register(A, (nodes) => later.push(nodes));
    await under.stage.join(B);
    await under.settle();
    assert.equal(under.updates.length, told);
    assert.deepEqual(ids(later.at(-1) ?? []), ['app-a', 'app-b']);
    assert.deepEqual(ids(await under.discovery.getNodes()), ['app-a', 'app-b']);
  });

  define('deregisters without having registered, and twice as once', async (under) => {
    await under.discovery.deregister();
    await under.register();
    await under.discovery.deregister();
    await under.discovery.deregister();
  });

  define('tells nothing any more once it is to deregister, and leaves no timer behind', async (under) => {
    const { stage, discovery } = under;
    await under.register();
    await stage.join(B);
    const before = under.updates.length;
    const ended = discovery.deregister();
    await stage.elapse(settleMs);
    await ended;
    await stage.leave('app-b');
    await stage.elapse(settleMs);
    assert.equal(under.updates.length, before);
    if (kind === 'registry') {
      assert.deepEqual(ids(await discovery.getNodes()), []);
    }
    assert.equal(stage.pendingTimers, 0);
  });

  define('registers again after it has deregistered', async (under) => {
    await under.register();
    await under.discovery.deregister();
    await under.register();
    assert.deepEqual(under.updates.at(-1), [A]);
    assert.deepEqual(await under.discovery.getNodes(), [A]);
  });

  if (kind === 'registry') {
    define('is told when it is not registered, and registers when that can be', async (under) => {
      under.stage.fail(failures[0]);
      await assert.rejects(
        under.discovery.register(A, () => undefined),
        { code: 'DKV_DISCOVERY_FAILED' },
      );
      under.stage.fail(undefined);
      await under.register();
      assert.deepEqual(under.told, ['app-a']);
    });

    define('announces weight, zone and peer port', async (under) => {
      const node = { ...B, port: 7001, weight: 2.5, zone: 'eu-1a' };
      await under.stage.join(node);
      await under.register();
      assert.deepEqual(under.updates.at(-1), [A, node]);
    });

    define('announces a node that is another one now', async (under) => {
      await under.register();
      const moved = { ...A, host: '10.0.0.7' };
      await under.discovery.register(moved, (nodes) => under.updates.push(nodes));
      await under.settle();
      assert.deepEqual(under.updates.at(-1), [moved]);
    });
  }
}
