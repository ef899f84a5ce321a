/** Each fault of a link does what it says: a fault that does nothing would make every run pass. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../e2e/until.js';
import { HttpCaller, type Reply } from './http-caller.js';
import { ProxyLink } from './proxy-link.js';

const PATIENCE_MS = 300;

describe('a link between two nodes', () => {
  let server: Server;
  let link: ProxyLink;
  let caller: HttpCaller;
  let arrived = 0;

  beforeEach(async () => {
    arrived = 0;
    server = createServer((request, response) => {
      arrived++;
      response.end(JSON.stringify({ value: request.url }));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    link = await ProxyLink.open('127.0.0.1', (server.address() as AddressInfo).port);
    caller = new HttpCaller('127.0.0.1', link.port);
    // A connection that is there already when the fault comes.
    expect(await ask('/before')).toEqual(answer('/before'));
  });

  afterEach(async () => {
    caller.close();
    await link.close();
    server.close();
  });

  const ask = (path: string, timeoutMs?: number) => caller.send('GET', path, { timeoutMs });
  /** However slow this machine is: the fault has shown. */
  const disturbed = () => until('the fault to show', () => Promise.resolve(link.disturbed > 0));
  const answer = (path: string): Reply => ({ kind: 'answer', status: 200, body: { value: path } });

  it('lets nothing through when it is cut, and everything when it is healed', async () => {
    link.apply('cut');
    expect((await ask('/kept', PATIENCE_MS)).kind).toBe('broken');
    expect((await ask('/new', PATIENCE_MS)).kind).toBe('broken');
    expect(arrived).toBe(1);
    link.heal();
    expect(await ask('/after')).toEqual(answer('/after'));
  });

  it('delivers requests and no answers when it is mute', async () => {
    link.apply('mute');
    const asked = ask('/swallowed');
    await disturbed();
    expect(arrived).toBe(2);
    link.heal();
    expect(await asked).toEqual({ kind: 'broken' });
    expect(await ask('/after')).toEqual(answer('/after'));
  });

  it('holds everything back when it is clogged, and delivers it afterwards', async () => {
    link.apply('clog');
    const asked = [ask('/kept'), ask('/new')];
    await pause(PATIENCE_MS);
    expect(arrived).toBe(1);
    link.heal();
    expect(await Promise.all(asked)).toEqual([answer('/kept'), answer('/new')]);
  });

  it('is late both ways when it is delayed, and keeps the order when that ends', async () => {
    link.apply('delay');
    const startedMs = performance.now();
    const asked = ask('/late');
    await disturbed();
    link.heal();
    expect(await asked).toEqual(answer('/late'));
    expect(performance.now() - startedMs).toBeGreaterThan(100);
  });
});
