/** The processes of a demo cluster as one: started together, stopped together, and none outlives the others. */
import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { json } from 'node:stream/consumers';
import { DEMO_MAIN, say } from './workspace.mjs';

/** A node ends what is under way and closes its store; only one that hangs is killed. */
const STOP_GRACE_MS = 30_000;
const POLL_MS = 100;
/** Polls after which those that are not ready are told of. */
const POLLS_PATIENCE = 200;

export class DemoProcesses {
  #nodes;
  #children = [];
  #stopping = false;
  #exitCode = 0;
  #ended;
  #end;

  /** @param nodes each `{ id, host, port, env }` */
  constructor(nodes) {
    this.#nodes = nodes;
    this.#ended = new Promise((resolve) => (this.#end = resolve));
  }

  start() {
    this.#children = this.#nodes.map(({ id, env }) => {
      const child = spawn(process.execPath, [DEMO_MAIN], {
        env,
        // Lines of a node carry its name. The channel tells the child when this process is gone, however it went.
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        // Away from the terminal: Ctrl-C is for this process, which then stops each node once.
        detached: true,
      });
      child.once('exit', (code, signal) => this.#exited(id, code, signal));
      return child;
    });
  }

  /** True as soon as every node says it is ready, false when they end before. */
  async ready() {
    const waiting = new Set(this.#nodes);
    for (let polls = 1; !this.#stopping && waiting.size > 0; polls++) {
      for (const node of waiting) {
        const { isReady, reason } = await readinessOf(node);
        if (isReady) {
          waiting.delete(node);
        } else if (polls === POLLS_PATIENCE) {
          say(`${node.id} is not ready: ${reason}.`);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return !this.#stopping;
  }

  /** Resolves with the exit code for this process when all children have ended. */
  ended() {
    return this.#ended;
  }

  /** Tells every node to stop; `ended` resolves when they have. */
  stop() {
    if (this.#stopping) {
      return;
    }
    this.#stopping = true;
    for (const child of this.#running()) {
      child.kill('SIGTERM');
    }
    setTimeout(() => {
      for (const child of this.#running()) {
        say(`Process ${child.pid} did not stop within ${STOP_GRACE_MS / 1000} s and is killed.`);
        child.kill('SIGKILL');
      }
    }, STOP_GRACE_MS).unref();
  }

  #running() {
    return this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  }

  #exited(id, code, signal) {
    const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
    if (!this.#stopping) {
      this.#exitCode = 1;
      say(`${id} ${how} by itself; the other nodes are stopped.`);
      this.stop();
    } else if (code !== 0 && signal !== 'SIGTERM') {
      // SIGTERM ends a node that has not opened anything yet.
      this.#exitCode = 1;
      say(`${id} ${how}.`);
    }
    if (this.#running().length === 0) {
      this.#end(this.#exitCode);
    }
  }
}

function readinessOf({ host, port }) {
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/health/ready', timeout: 2_000 }, async (response) => {
      const isReady = response.statusCode === 200;
      const body = await json(response).catch(() => undefined);
      resolve({
        isReady,
        reason: body?.error?.dkv?.reason ?? `it answers with status ${response.statusCode}`,
      });
    });
    request.once('error', (error) => resolve({ isReady: false, reason: error.message }));
    request.once('timeout', () => request.destroy(new Error('it does not answer')));
  });
}
