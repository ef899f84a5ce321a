/** What `status`, `members`, `partitions`, `explain` and `transfer-leadership` ask, print and tell the shell. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runShell, type ShellOptions } from '../../../testing/cli/captured-terminal.js';
import {
  degradedCluster,
  sampleCluster,
  sampleCopy,
  sampleDiagnosis,
  sampleExplanation,
  sampleMember,
  samplePartition,
  TOLD_AT_MS,
} from '../../../testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../../testing/cli/stand-in-node.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { EXIT } from '../exit-codes.js';

let node: StandInNode;

beforeEach(async () => {
  node = await new StandInNode().start();
});

afterEach(() => node.stop());

const dkv = (args: readonly string[], screen?: ShellOptions['screen']) =>
  runShell(args, {
    env: { DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY },
    clock: new ManualClock(TOLD_AT_MS),
    screen,
  });

const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;

describe('dkv status', () => {
  it('tells in one line how the cluster is, then each node', async () => {
    node.replies['GET /admin/cluster'] = { body: degradedCluster() };
    const { code, out, error } = await dkv(['status']);
    expect([code, error]).toEqual([EXIT.degraded, '']);
    expect(out).toBe(
      lines(
        'Cluster 3f0c9a51d2e7 is degraded: down: c',
        '64 partitions by md5, 3 copies of each; answered by a, nestjs-dkv 0.1.0.',
        'Of the partitions of a, 0 take no writes, and 64 lack a copy.',
        'Namespaces: default (strong, 3 copies), sessions (eventual, 2 copies).',
        '',
        'NODE  ADDRESS          ZONE   STATE                        READY  LEADS  HOLDER  REPLICA  VOTES MISSING  CLOCK',
        'a     10.0.10.11:7000  eu-1a  up                           yes       32      22       42              0      -',
        'b     10.0.10.12:7000  eu-1b  up for 3 h                   yes       32      21       43              0  -1 ms',
        'c     10.0.10.13:7000  eu-1c  down for 12 s (unreachable)  -          0      21       43             64      -',
        '',
        'Votes of c are missing: down',
      ),
    );
  });

  it.each([
    ['ok', EXIT.done],
    ['degraded', EXIT.degraded],
    ['unready', EXIT.unready],
  ] as const)('tells the shell: %s', async (health, exitCode) => {
    const report = sampleCluster({ health, reason: health === 'ok' ? '' : 'why' });
    node.replies['GET /admin/cluster'] = { body: report };
    const { code, out } = await dkv(['status', '--json']);
    expect([code, JSON.parse(out)]).toEqual([exitCode, report]);
    const [first] = (await dkv(['status'])).out.split('\n');
    expect(first).toBe(`Cluster 3f0c9a51d2e7 is ${health}${health === 'ok' ? '' : ': why'}`);
  });

  it('of a cluster that is not born, with an address of IPv6, and nodes that were not heard', async () => {
    const members = [
      sampleMember('a', { host: '::1', zone: '', ready: false, votersMissing: 3, reason: 'new' }),
    ];
    const report = sampleCluster({
      clusterId: '',
      health: 'unready',
      reason: 'not seen: b',
      members,
      namespaces: [],
    });
    node.replies['GET /admin/cluster'] = { body: report };
    expect((await dkv(['status'])).out).toBe(
      lines(
        'A cluster that is not born yet is unready: not seen: b',
        '64 partitions by md5, 3 copies of each; answered by a, nestjs-dkv 0.1.0.',
        'Of the partitions of a, 0 take no writes, and 0 lack a copy.',
        'Namespaces: none.',
        '',
        'NODE  ADDRESS     ZONE  STATE  READY  LEADS  HOLDER  REPLICA  VOTES MISSING  CLOCK',
        'a     [::1]:7000  -     up     no        21      21       43              3      -',
        '',
        'Votes of a are missing: new',
      ),
    );
  });

  it('is coloured and cut on a screen', async () => {
    node.replies['GET /admin/cluster'] = { body: degradedCluster() };
    const { out } = await dkv(['status'], { columns: 60, hasColour: true });
    expect(out).toContain('\x1b[33mCluster 3f0c9a51d2e7 is degraded: down: c\x1b[39m\n');
    expect(out).toContain('\x1b[31mdown');
    const widths = out
      .replace(/\x1b\[\d+m/g, '')
      .split('\n')
      .slice(5, 9)
      .map((line) => line.length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(80);
  });
});

describe('dkv members', () => {
  it('asks each node, and names those that do not answer', async () => {
    const members = ['a', 'b'].map((nodeId) => sampleMember(nodeId, { host: '127.0.0.1', port: node.port }));
    node.replies['GET /admin/cluster'] = { body: sampleCluster({ members }) };
    node.replies['GET /admin/diagnosis'] = { body: sampleDiagnosis('a') };
    const { code, out } = await dkv(['members']);
    expect(code).toBe(EXIT.done);
    expect(out.replaceAll(`127.0.0.1:${node.port}`, '10.0.10.11:7000')).toBe(
      lines(
        '2 nodes in 2 zones, 128 copies of 64 partitions',
        '',
        'NODE  ADDRESS          ZONE   WEIGHT   SHARE  COPIES  MEMBER  KEEPER  STATE  VERSION  NODE.JS  STARTED  STORAGE       DISK FREE',
        'a     10.0.10.11:7000  eu-1a       1  50.0 %      64  yes     yes     up     0.1.0    24.9.0   3 h ago  rocksdb, wal  61.0 % (61 GiB)',
        'b     10.0.10.11:7000  eu-1b       1  50.0 %      64  yes     yes     up     ?        ?        ?        ?             ?',
        '',
        'Node b did not answer this command: node a answers at that address',
      ),
    );
    const json = JSON.parse((await dkv(['members', '--json'])).out) as object[];
    expect(json).toEqual([
      { ...members[0], diagnosis: sampleDiagnosis('a') },
      { ...members[1], error: 'node a answers at that address' },
    ]);
  });

  it('shows who leaves, what it still has to give, and who waits to be taken in', async () => {
    const address = { host: '127.0.0.1', port: node.port };
    const members = [
      sampleMember('a', address),
      sampleMember('b', {
        ...address,
        membership: 'leaving',
        copies: { held: 64, target: 0 },
        keepsConfiguration: false,
      }),
    ];
    const candidates = [
      { nodeId: 'd', host: '10.0.10.14', port: 7000, weight: 2, zone: '', membership: 'candidate' as const },
    ];
    node.replies['GET /admin/cluster'] = { body: sampleCluster({ members, candidates }) };
    node.replies['GET /admin/diagnosis'] = { body: sampleDiagnosis('a') };
    const { out } = await dkv(['members']);
    expect(out.replaceAll(`127.0.0.1:${node.port}`, '10.0.10.11:7000')).toBe(
      lines(
        '2 nodes in 2 zones, 128 copies of 64 partitions; 1 candidate',
        '',
        'NODE  ADDRESS          ZONE   WEIGHT   SHARE  COPIES  MEMBER     KEEPER  STATE  VERSION  NODE.JS  STARTED  STORAGE       DISK FREE',
        'a     10.0.10.11:7000  eu-1a       1  50.0 %      64  yes        yes     up     0.1.0    24.9.0   3 h ago  rocksdb, wal  61.0 % (61 GiB)',
        'b     10.0.10.11:7000  eu-1b       1  50.0 %  64 → 0  leaving    -       up     ?        ?        ?        ?             ?',
        'd     10.0.10.14:7000  -           2       -       0  candidate  -       -      -        -        -        -             -',
        '',
        'Node b did not answer this command: node a answers at that address',
      ),
    );
    const json = JSON.parse((await dkv(['members', '--json'])).out) as object[];
    expect(json[2]).toEqual(candidates[0]);
  });

  it('asks no more than eight at once', async () => {
    const members = Array.from({ length: 20 }, (_, number) =>
      sampleMember(`n${number}`, { host: '127.0.0.1', port: node.port }),
    );
    node.replies['GET /admin/cluster'] = { body: sampleCluster({ members }) };
    node.replies['GET /admin/diagnosis'] = 'hold';
    const clock = new ManualClock(TOLD_AT_MS);
    const env = { DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY };
    const running = runShell(['members', '--json'], { env, clock });
    const asked = () => node.requests.filter(({ url }) => url === '/admin/diagnosis').length;
    for (const [expected, waiting] of [
      [8, 8],
      [16, 8],
      [20, 4],
    ] as const) {
      while (asked() < expected) {
        await node.nextRequest();
      }
      expect([asked(), clock.pendingTimers]).toEqual([expected, waiting]);
      clock.advance(5_000);
    }
    const json = JSON.parse((await running).out) as { error: string }[];
    expect(new Set(json.map(({ error }) => error))).toEqual(new Set(['no answer within 5000 ms']));
  });
});

describe('dkv partitions', () => {
  const partitions = [
    samplePartition(0),
    samplePartition(1, {
      leader: 'b',
      members: [sampleCopy('a', { applied: 118 }), sampleCopy('b', { term: 7 })],
      voters: ['a', 'b'],
      outgoing: ['a', 'b', 'd'],
    }),
    samplePartition(2, {
      group: 66,
      list: ['b', 'c'],
      copies: 2,
      leader: '',
      takesWrites: false,
      voters: undefined,
      members: [],
    }),
  ];

  beforeEach(() => {
    node.replies['GET /admin/partitions'] = { body: partitions };
  });

  it('lists all of them, with how far each copy is and what is missing', async () => {
    const { code, out } = await dkv(['partitions']);
    expect(code).toBe(EXIT.done);
    expect(out).toBe(
      lines(
        '3 partitions: 1 without a quorum (66); something is missing in 2.',
        '',
        'GROUP  PARTITION  COPIES  LIST   LEADER  TERM  APPLIED/COMMIT                   MISSING',
        '    0          0       3  a b c  a          3  a 120/120, b 120/120, c 120/120  -',
        '    1          1       3  a b c  b          7  a 118/120, b 120/120             answer of c, vote of c, end of a change of voters (a b d)',
        '   66          2       2  b c    -          -  -                                quorum, leader, answer of b, answer of c',
      ),
    );
  });

  it('lists those of a node, or those without a quorum, and says how many', async () => {
    const ofA = (await dkv(['partitions', '--node', 'a', '--json'])).out;
    expect(JSON.parse(ofA)).toEqual(JSON.parse(JSON.stringify(partitions.slice(0, 2))));
    expect((await dkv(['partitions', '--without-quorum'])).out).toBe(
      lines(
        '3 partitions: 1 without a quorum (66); something is missing in 2.',
        'Listed: 1 partition.',
        '',
        'GROUP  PARTITION  COPIES  LIST  LEADER  TERM  APPLIED/COMMIT  MISSING',
        '   66          2       2  b c   -          -  -               quorum, leader, answer of b, answer of c',
      ),
    );
    expect((await dkv(['partitions', '--without-quorum', '--node', 'a'])).out).toBe(
      lines('3 partitions: 1 without a quorum (66); something is missing in 2.', 'Listed: 0 partitions.'),
    );
  });

  it('says that all is well', async () => {
    node.replies['GET /admin/partitions'] = { body: [samplePartition(0)] };
    expect((await dkv(['partitions'])).out).toBe(
      lines(
        '1 partition: all take writes; nothing is missing.',
        '',
        'GROUP  PARTITION  COPIES  LIST   LEADER  TERM  APPLIED/COMMIT                   MISSING',
        '    0          0       3  a b c  a          3  a 120/120, b 120/120, c 120/120  -',
      ),
    );
  });
});

describe('dkv explain', () => {
  it('shows what each node has of a key of a strong namespace', async () => {
    const [a, b] = sampleExplanation().copies;
    const copies = [
      a!,
      { ...b!, group: sampleCopy('b', { applied: 119 }), record: undefined },
      { nodeId: 'c', error: 'no answer' },
    ];
    node.replies['GET /admin/explain'] = { body: sampleExplanation({ copies }) };
    const { code, out } = await dkv(['explain', 'user:7']);
    expect(code).toBe(EXIT.done);
    expect(out).toBe(
      lines(
        'Key "user:7" of namespace default (strong)',
        'Hash 4fa1c07e, partition 19, group 19',
        'Nodes a b c, led by a',
        '',
        'NODE  ROLE      TERM  COMMIT  APPLIED  VERSION               DIGEST    BYTES  EXPIRES',
        'a     leader       3     120      120  0000000100000000002a  9d3e01ac    512  never',
        'b     follower     3     120      119  -                     -             -  -',
        'c     ?            ?       ?        ?  ?                     ?             ?  ?',
        '',
        'Of node c nothing is known: no answer',
        'No finding.',
      ),
    );
    expect(node.requests[0]!.url).toBe('/admin/explain?namespace=default&key=user%3A7');
  });

  it('shows hints of an eventual one, deletions, expiries, and tells the shell of findings', async () => {
    const record = {
      version: '018bcfe56800-0000-a',
      digest: '00c0ffee',
      valueBytes: 0,
      expiresAtMs: TOLD_AT_MS,
      isTombstone: true,
    };
    const explanation = sampleExplanation({
      namespace: 'sessions',
      key: 'a\u001b/b',
      mode: 'eventual',
      leader: '',
      copies: [
        { nodeId: 'a', record, hintBytes: 0 },
        { nodeId: 'b', hintBytes: 512 },
      ],
      findings: ['b has no record of a key that a has.'],
    });
    node.replies['GET /admin/explain'] = { body: explanation };
    const { code, out } = await dkv(['explain', 'a\u001b/b', '--namespace', 'sessions']);
    expect(code).toBe(EXIT.findings);
    expect(out).toBe(
      lines(
        'Key "a\\u001b/b" of namespace sessions (eventual)',
        'Hash 4fa1c07e, partition 19',
        'Nodes a b c, the holder first',
        '',
        'NODE  VERSION              DIGEST      BYTES  EXPIRES                   HINTED BYTES',
        'a     018bcfe56800-0000-a  00c0ffee  deleted  2023-11-14T22:13:20.000Z             0',
        'b     -                    -               -  -                                  512',
        '',
        'Finding: b has no record of a key that a has.',
      ),
    );
    expect(node.requests[0]!.url).toBe('/admin/explain?namespace=sessions&key=a%1B%2Fb');
    const json = await dkv(['explain', 'k', '--json']);
    expect([json.code, JSON.parse(json.out)]).toEqual([EXIT.findings, explanation]);
  });
});

describe('dkv transfer-leadership', () => {
  it('asks for it', async () => {
    node.replies['POST /admin/transfer-leadership'] = { body: { group: 17, leader: 'b' } };
    const { code, out } = await dkv(['transfer-leadership', '17', 'b']);
    expect([code, out]).toEqual([EXIT.done, 'Node b leads group 17.\n']);
    expect(node.requests[0]!.body).toEqual({ group: 17, nodeId: 'b' });
    const json = await dkv(['transfer-leadership', '17', 'b', '--json']);
    expect(JSON.parse(json.out)).toEqual({ group: 17, nodeId: 'b' });
  });

  it.each(['-1', 'all', '1.5'])('refuses what is no number: %s', async (group) => {
    const { code, error } = await dkv(['transfer-leadership', '--', group, 'b']);
    expect([code, node.requests]).toEqual([EXIT.usage, []]);
    expect(error).toContain(`<group> is '${group}': give a whole number`);
  });
});
