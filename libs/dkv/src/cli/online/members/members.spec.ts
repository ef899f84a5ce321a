/** What the commands that change the members ask, how they wait, what they print and tell the shell. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runShell, type ShellOptions } from '../../../../testing/cli/captured-terminal.js';
import { HastyClock } from '../../../../testing/cli/hasty-clock.js';
import { leavingMoves, leftMoves, sampleMoves, TOLD_AT_MS } from '../../../../testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../../../testing/cli/stand-in-node.js';
import { EXIT } from '../../exit-codes.js';
import { LOOK_MS } from './watched-moves.js';

let node: StandInNode;
let clock: HastyClock;

beforeEach(async () => {
  node = await new StandInNode().start();
  clock = new HastyClock(LOOK_MS, TOLD_AT_MS);
});

afterEach(async () => {
  await node.stop();
  expect(clock.pendingTimers).toBe(0);
});

const dkv = (args: readonly string[], options: ShellOptions = {}) =>
  runShell(args, { env: { DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY }, clock, ...options });

const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;
const bodies = (...reports: readonly unknown[]) => reports.map((body) => ({ body }));
const asked = () => node.requests.map(({ method, url, body }) => [`${method} ${url}`, body]);
const HINT = 'dkv moves --watch shows what moves for it.';

describe('a change', () => {
  it.each<[string, string[], string, object, string]>([
    ['admit', ['d'], 'admit', { nodeId: 'd' }, 'Node d joins'],
    ['decommission', ['c'], 'decommission', { nodeId: 'c' }, 'Node c leaves'],
    ['remove', ['c', '--yes'], 'remove', { nodeId: 'c' }, 'Node c is to be removed'],
    ['replace', ['c', 'd'], 'replace', { nodeId: 'c', byNodeId: 'd' }, 'Node d takes the place of c'],
    ['keep', ['c'], 'keep', { nodeId: 'c' }, 'Node c stays'],
    ['weight', ['c', '0.5'], 'weight', { nodeId: 'c', weight: 0.5 }, 'The weight of node c is 0.5'],
    ['zone', ['c', 'eu-1c'], 'zone', { nodeId: 'c', zone: 'eu-1c' }, 'The zone of node c is eu-1c'],
    ['zone', ['c', ''], 'zone', { nodeId: 'c', zone: '' }, 'The zone of node c is not known'],
    ['replicas', ['1'], 'replicas', { replicas: 1 }, 'A key is to have 1 replica'],
    [
      'replicas',
      ['0', '--namespace', 'n'],
      'replicas',
      { replicas: 0, namespace: 'n' },
      'A key of namespace n is to have 0 replicas',
    ],
    ['zones', ['x', 'y'], 'zones', { zones: ['x', 'y'] }, 'Zones x, y are preferred for leaders'],
    ['zones', ['--none'], 'zones', { zones: [] }, 'Leaders are spread over all nodes'],
  ])('is asked for, and agreed on: %s %j', async (name, args, route, body, done) => {
    node.replies[`POST /admin/${route}`] = { body: { epoch: 7 } };
    const { code, out, error } = await dkv([name, ...args]);
    expect([code, out, error]).toEqual([EXIT.done, lines(`${done} (epoch 7).`, HINT), '']);
    expect(asked()).toEqual([[`POST /admin/${route}`, body]]);
    const json = await dkv([name, ...args, '--json']);
    expect([json.code, JSON.parse(json.out)]).toEqual([EXIT.done, { ...body, epoch: 7 }]);
  });

  it.each<[string, number, string, number]>([
    ['DKV_INVALID_ARGUMENT', 400, 'Node c is no member: name one of a, b.', EXIT.failed],
    ['DKV_QUORUM_NOT_REACHED', 503, 'A majority of a, b, c is needed.', EXIT.failed],
    ['DKV_NOT_READY', 503, 'The cluster is not born yet.', EXIT.failed],
    ['DKV_CONFLICT', 409, 'Look at what moves now, and ask again.', EXIT.conflict],
    ['DKV_TIMEOUT', 504, 'It may be agreed on yet.', EXIT.indeterminate],
    ['DKV_INDETERMINATE', 504, 'It may be agreed on yet.', EXIT.indeterminate],
    ['DKV_FORBIDDEN', 403, 'The header X-Admin-Key is missing or wrong.', EXIT.forbidden],
  ])('that is refused with %s is told with it', async (code, status, message, exitCode) => {
    node.replies['POST /admin/decommission'] = { status, body: { code, message } };
    const { code: told, out, error } = await dkv(['decommission', 'c', '--wait']);
    expect([told, out]).toEqual([exitCode, '']);
    expect(error).toContain(`${code}: ${message}`);
    expect(node.requests).toHaveLength(1);
  });

  it('that may have arrived is not asked for again', async () => {
    node.replies['POST /admin/keep'] = 'break';
    const { code, error } = await dkv(['keep', 'c', '--url', `${node.url},${node.url}`]);
    expect([code, node.requests.length]).toEqual([EXIT.indeterminate, 1]);
    expect(error).toContain('may have taken effect');
  });

  it('is of a node that knows it, or the address is told to be of another server', async () => {
    node.replies['POST /admin/keep'] = { body: {} };
    expect((await dkv(['keep', 'c'])).code).toBe(EXIT.failed);
  });

  it.each<[string[], string]>([
    [['replicas', '16'], "<number> is '16': give a whole number from 0 to 15"],
    [['replicas', 'two'], "<number> is 'two'"],
    [['weight', 'c', '0'], "<weight> is '0': give a number above 0"],
    [['weight', '--', 'c', '-1'], "<weight> is '-1'"],
    [['weight', 'c', ''], "<weight> is ''"],
    [['weight', 'c', 'heavy'], "<weight> is 'heavy'"],
    [['weight', 'c', 'Infinity'], "<weight> is 'Infinity'"],
    [['decommission'], "missing required argument 'node'"],
    [['replace', 'c'], "missing required argument 'by'"],
    [['keep', 'c', '--wait', '--within', '0'], "--within is '0': give a whole number from 1"],
    [['moves', '--watch', '--within', 'long'], "--within is 'long'"],
    [['moves', '--within', '-1'], "--within is '-1'"],
  ])('of wrong arguments is not asked for: %j', async (args, message) => {
    const { code, out, error } = await dkv(args);
    expect([code, out, node.requests]).toEqual([EXIT.usage, '', []]);
    expect(error).toContain(message);
  });
});

describe('dkv remove', () => {
  beforeEach(() => {
    node.replies['POST /admin/remove'] = { body: { epoch: 7 } };
  });

  it('is asked about where somebody can be, and then done', async () => {
    expect(await dkv(['remove', 'c'], { answer: 'yes' })).toMatchObject({
      code: EXIT.done,
      out: lines('Node c is to be removed (epoch 7).', HINT),
    });
    expect(asked()).toEqual([['POST /admin/remove', { nodeId: 'c' }]]);
  });

  it.each([['no'], [''], ['c']])('is not done where the answer is %j', async (answer) => {
    expect(await dkv(['remove', 'c'], { answer })).toMatchObject({
      code: EXIT.declined,
      out: 'Nothing was changed.\n',
    });
    expect(node.requests).toEqual([]);
  });

  it('is not done where nobody can be asked', async () => {
    const { code, out, error } = await dkv(['remove', 'c', '--json']);
    expect([code, JSON.parse(out), error]).toEqual([
      EXIT.declined,
      { epoch: null },
      'Nobody can be asked here: give --yes to do it.\n',
    ]);
    expect(node.requests).toEqual([]);
  });
});

describe('waiting', () => {
  beforeEach(() => {
    node.replies['POST /admin/decommission'] = { body: { epoch: 8 } };
    node.replies['POST /admin/weight'] = { body: { epoch: 8 } };
  });

  it('for a node that leaves lasts until it is no member, with a line for each change', async () => {
    node.replies['GET /admin/moves'] = bodies(
      // A node that has not heard of the change.
      leftMoves(7),
      leavingMoves(9, 41),
      leavingMoves(9, 41),
      leavingMoves(23, 11),
      { ...leftMoves(65), isSettled: false, waiting: 3 },
    );
    const { code, out, error } = await dkv(['decommission', 'c', '--wait']);
    expect([code, error]).toEqual([EXIT.done, '']);
    expect(out).toBe(
      lines(
        'Node c leaves (epoch 8).',
        '0 of 43 arrived, 2 move, 41 wait (epoch 9)',
        '30 of 43 arrived, 2 move, 11 wait (epoch 23)',
        '40 of 43 arrived, 0 move, 3 wait (epoch 65)',
        'Node c is no member any more.',
      ),
    );
    expect(clock.now() - TOLD_AT_MS).toBe(4 * LOOK_MS);
  });

  it('for any other change lasts until nothing moves, and prints one value where that is asked for', async () => {
    node.replies['GET /admin/moves'] = bodies(sampleMoves({ epoch: 7 }), leavingMoves(8, 1), leftMoves(9));
    const { code, out } = await dkv(['weight', 'c', '2', '--wait', '--json']);
    expect([code, JSON.parse(out)]).toEqual([EXIT.done, { nodeId: 'c', weight: 2, epoch: 8 }]);
    expect(node.requests).toHaveLength(4);
  });

  it('says nothing of moves where none is needed', async () => {
    node.replies['GET /admin/moves'] = { body: sampleMoves({ epoch: 8 }) };
    const { out } = await dkv(['weight', 'c', '2', '--wait']);
    expect(out).toBe(lines('The weight of node c is 2 (epoch 8).', 'All is where it is to be.'));
  });

  it('ends where the node stays after all', async () => {
    node.replies['GET /admin/moves'] = bodies(leavingMoves(9, 41), sampleMoves({ epoch: 10 }));
    const { code, error } = await dkv(['decommission', 'c', '--wait']);
    expect(code).toBe(EXIT.failed);
    expect(error).toBe(
      'error: node c stays after all: somebody has kept it meanwhile. Ask again if it is to leave.\n',
    );
  });

  it('ends with the time that was given, and it goes on', async () => {
    node.replies['GET /admin/moves'] = { body: leavingMoves(9, 41) };
    const { code, error } = await dkv(['decommission', 'c', '--wait', '--within', '3']);
    expect(code).toBe(EXIT.moving);
    expect(error).toBe(
      'error: not done within 3 s: 2 move, 41 wait (epoch 9). It goes on; dkv moves --watch shows how far it is.\n',
    );
    expect(clock.now() - TOLD_AT_MS).toBe(3_000);
    expect(node.requests).toHaveLength(5);
  });

  it('ends where no node answers any more', async () => {
    node.replies['GET /admin/moves'] = [{ body: leavingMoves(9, 41) }, 'break'];
    const { code, out, error } = await dkv(['decommission', 'c', '--wait'], {
      screen: { columns: 80, hasColour: false },
    });
    expect([code, error.startsWith('error: no node answered.')]).toEqual([EXIT.unreachable, true]);
    // What went wrong is not written behind the bar.
    expect(out).toMatch(/\(epoch 9\)\n$/);
  });
});

describe('dkv moves', () => {
  it('says that nothing moves', async () => {
    node.replies['GET /admin/moves'] = { body: sampleMoves() };
    const settled = 'All is where it is to be: nothing moves (epoch 1).\n';
    const { code, out: said } = await dkv(['moves']);
    expect([code, said]).toEqual([EXIT.done, settled]);
    for (const [args, seconds] of [
      [['moves', '--watch'], 30],
      [['moves', '--watch', '--within', '2'], 2],
    ] as const) {
      node.requests.length = 0;
      const watched = await dkv([...args]);
      const waits = `Nothing moves yet: waiting ${seconds} s for something to begin, as when a node joins.\n`;
      expect([watched.code, watched.out]).toEqual([EXIT.done, waits + settled]);
      expect(node.requests.length).toBeGreaterThanOrEqual(seconds);
    }
    const { out } = await dkv(['moves', '--json']);
    expect(JSON.parse(out)).toEqual(sampleMoves());
  });

  it('lists what moves, and who leaves', async () => {
    node.replies['GET /admin/moves'] = { body: leavingMoves(9, 41) };
    const { code, out } = await dkv(['moves']);
    expect(code).toBe(EXIT.done);
    expect(out).toBe(
      lines(
        'Under way: 2 move, 41 wait (epoch 9).',
        '',
        'PARTITION      FROM   TO     SINCE EPOCH  COPIED',
        'configuration  a b c  a b d            8   0.0 %',
        '12             c a b  a b d            9   0.0 %',
        '',
        'Node c leaves, and still holds 42 copies.',
      ),
    );
  });

  it('tells of bytes beside what moves', async () => {
    const whole = { partitionsDone: 1, partitionsTotal: 44, bytesCopied: 3 * 2 ** 20, bytesTotal: 2 ** 30 };
    const progress = { ...whole, bytesPerSecond: 2 ** 24, secondsLeft: 64 };
    const report = leavingMoves(9, 41);
    const moving = report.moving.map((move) => ({ ...move, bytesCopied: 2 ** 20, bytesToCopy: 2 ** 22 }));
    node.replies['GET /admin/moves'] = { body: { ...report, moving, progress } };
    const { out } = await dkv(['moves']);
    expect(out).toContain('41 wait (epoch 9), 3 MiB of 1 GiB copied, 16 MiB/s, 1 m left.\n');
    expect(out).toContain('            9  25.0 %\n');
  });

  it.each([
    [5, 'Under way: 0 move, 5 wait (epoch 2).\n'],
    [1, 'Under way: 0 move, 1 waits (epoch 2).\n'],
  ])('lists nothing where all of them wait: %i', async (waiting, out) => {
    node.replies['GET /admin/moves'] = { body: sampleMoves({ epoch: 2, waiting }) };
    expect((await dkv(['moves'])).out).toBe(out);
  });

  it('waits until nothing moves, and prints one value where that is asked for', async () => {
    const last = leftMoves(30);
    node.replies['GET /admin/moves'] = bodies(
      leavingMoves(9, 1),
      { ...leftMoves(29), isSettled: false, waiting: 1 },
      last,
    );
    const { code, out } = await dkv(['moves', '--watch', '--json']);
    expect([code, JSON.parse(out)]).toEqual([EXIT.done, last]);
    expect(node.requests).toHaveLength(3);
  });

  it('waits for what has not begun, and tells of bytes, rate and time left', async () => {
    const whole = { partitionsDone: 1, partitionsTotal: 44, bytesCopied: 3 * 2 ** 20, bytesTotal: 2 ** 30 };
    const progress = { ...whole, bytesPerSecond: 2 ** 24, secondsLeft: 64 };
    node.replies['GET /admin/moves'] = bodies(
      sampleMoves(),
      { ...leavingMoves(9, 41), progress },
      leftMoves(30),
    );
    const { out } = await dkv(['moves', '--watch']);
    expect(out.split('\n').slice(1, 3)).toEqual([
      '1 of 44 arrived, 2 move, 41 wait (epoch 9), 3 MiB of 1 GiB copied, 16 MiB/s, 1 m left',
      '44 of 44 arrived, nothing moves (epoch 30)',
    ]);
  });

  it('ends with the time that was given', async () => {
    node.replies['GET /admin/moves'] = { body: leavingMoves(9, 41) };
    const { code, out } = await dkv(['moves', '--watch', '--within', '2']);
    expect([code, out]).toEqual([EXIT.moving, '0 of 43 arrived, 2 move, 41 wait (epoch 9)\n']);
  });

  it('redraws one line on a screen', async () => {
    const ADDED = leavingMoves(10, 58);
    node.replies['GET /admin/moves'] = bodies(
      leavingMoves(9, 38),
      leavingMoves(9, 38),
      leavingMoves(20, 18),
      ADDED,
      leftMoves(60),
    );
    const { out } = await dkv(['moves', '--watch'], { screen: { columns: 80, hasColour: false } });
    expect(out.split('\r\x1b[2K')).toEqual([
      '',
      `[${'.'.repeat(30)}] 0 of 40 arrived, 2 move, 38 wait (epoch 9)`,
      `[${'#'.repeat(15)}${'.'.repeat(15)}] 20 of 40 arrived, 2 move, 18 wait (epoch 20)`,
      `[${'.'.repeat(30)}] 0 of 60 arrived, 2 move, 58 wait (epoch 10)`,
      `[${'#'.repeat(30)}] 60 of 60 arrived, nothing moves (epoch 60)\nAll is where it is to be: nothing moves (epoch 60).\n`,
    ]);
  });

  it.each([
    [60, `[${'.'.repeat(14)}] 0 of 40 arrived, 2 move, 38 wait (epoch 9)`],
    [50, '0 of 40 arrived, 2 move, 38 wait (epoch 9)'],
    [20, '0 of 40 arrived, 2 '],
  ])('never fills the line of a screen of %i columns', async (columns, first) => {
    node.replies['GET /admin/moves'] = bodies(leavingMoves(9, 38), leftMoves(60));
    const { out } = await dkv(['moves', '--watch'], { screen: { columns, hasColour: false } });
    const [, drawn] = out.split('\r\x1b[2K');
    expect(drawn).toBe(first);
    expect(drawn!.length).toBeLessThan(columns);
  });
});
