/** Two ends of a transport with a relay between them, put up and taken down around one test. */
import assert from 'node:assert/strict';
import { type DkvError, isDkvError } from '../../src/dkv.errors.js';
import { type ClusterNode } from '../../src/model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type Clock } from '../../src/ports/clock.js';
import { type Controller, type PeerService } from '../../src/ports/controller.js';
import { type PostLane, type RemoteKvRepo } from '../../src/ports/remote-kv-repo.js';
import { ManualClock } from '../manual-clock.js';
import { ANSWERING, ASKING } from './samples.js';
import { ScriptedPeer } from './scripted-peer.js';
import { TcpRelay } from './tcp-relay.js';

export interface TransportSettings {
  /** Of the node that sends. */
  readonly nodeId: string;
  readonly apiKey: string;
  readonly valueBytesMax: number;
  /** Bound of the bytes under way in the remote. */
  readonly inFlightBytesMax: number;
  /** To listen on, at 127.0.0.1; 0: a free one. */
  readonly port: number;
  readonly clock: Clock;
}

/** Makes the two ends of the transport under test, not started. */
export interface Transport {
  controller(service: PeerService, settings: TransportSettings): Controller;
  remote(settings: TransportSettings): RemoteKvRepo;
}

export const VALUE_BYTES_MAX = 1024 * 1024;

const SETTINGS = {
  nodeId: ASKING.from,
  apiKey: 'the key',
  valueBytesMax: VALUE_BYTES_MAX,
  inFlightBytesMax: 16 * VALUE_BYTES_MAX,
  port: 0,
};

/** Longer than any test runs: time passes only where a test moves the clock. */
export const TIMEOUT_MS = 5000;

export interface SendTo {
  /** Default: the pair's. */
  readonly remote?: RemoteKvRepo;
  /** Default: the pair's peer, through the relay. */
  readonly to?: ClusterNode;
  readonly signal?: AbortSignal;
}

export class TransportPair {
  readonly clock = new ManualClock();
  readonly peer = new ScriptedPeer((request) => {
    throw new Error(`No answer was scripted for ${request.kind}.`);
  });
  readonly remote: RemoteKvRepo;
  private readonly settings: TransportSettings;
  private readonly cleanUps: (() => Promise<void>)[] = [];
  private parts: { readonly controller: Controller; readonly relay: TcpRelay } | undefined;

  private constructor(private readonly transport: Transport) {
    this.settings = { ...SETTINGS, clock: this.clock };
    this.remote = this.newRemote();
  }

  /** Runs `body` with a remote that reaches a started controller through a relay, and stops them all after. */
  static async with(transport: Transport, body: (pair: TransportPair) => Promise<void>): Promise<void> {
    const pair = new TransportPair(transport);
    try {
      const { controller, port } = await pair.startController();
      const relay = await TcpRelay.to(port);
      pair.cleanUps.push(() => relay.close());
      pair.parts = { controller, relay };
      await body(pair);
    } finally {
      for (const cleanUp of pair.cleanUps.reverse()) {
        await cleanUp();
      }
    }
  }

  get controller(): Controller {
    return this.started.controller;
  }

  get relay(): TcpRelay {
    return this.started.relay;
  }

  /** The port of the controller itself. */
  get controllerPort(): number {
    return this.relay.targetPort ?? 0;
  }

  /** One more controller around the same peer; stopped at the end of the test. */
  async startController(
    settings: Partial<TransportSettings> = {},
  ): Promise<{ controller: Controller; port: number }> {
    const controller = this.transport.controller(this.peer, { ...this.settings, ...settings });
    this.cleanUps.push(() => controller.stop());
    const { port } = await controller.start();
    return { controller, port };
  }

  /** One more remote; closed at the end of the test. */
  newRemote(settings: Partial<TransportSettings> = {}): RemoteKvRepo {
    const remote = this.transport.remote({ ...this.settings, ...settings });
    this.cleanUps.push(() => remote.close());
    return remote;
  }

  /** The pair's peer, through the relay. */
  get node(): ClusterNode {
    return this.nodeAt(this.relay.port);
  }

  /** The peer as a node at `port`. */
  nodeAt(port: number, host = '127.0.0.1'): ClusterNode {
    return { nodeId: ANSWERING.from, weight: 1, zone: '', host, port };
  }

  send<K extends PeerRequestKind>(request: PeerRequest<K>, options: SendTo = {}): Promise<PeerReply<K>> {
    const { remote = this.remote, to = this.node, signal } = options;
    return remote.send(to, request, { timeoutMs: TIMEOUT_MS, ...(signal && { signal }) });
  }

  /** Posts a frame to the pair's peer, through the relay. */
  post(frame: Uint8Array, lane: PostLane, remote = this.remote): boolean {
    return remote.post(this.node, frame, lane);
  }

  /** Posts empty frames until one was taken, which is when a connection is open; resolves once it has come. */
  async open(lane: PostLane): Promise<void> {
    const before = this.peer.frames.length;
    await this.until(() => this.post(new Uint8Array(0), lane));
    await this.peer.posted(before + 1);
    this.peer.frames.splice(before);
  }

  /**
   * Tries once in a turn of the event loop, until it holds. A millisecond passes in ten turns: enough turns for what both
   * ends do, and pauses between two attempts come to an end.
   */
  async until(holds: () => boolean): Promise<void> {
    for (let turn = 1; !holds(); turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 10 === 0) {
        this.clock.advance(1);
      }
    }
  }

  /** The DkvError that sending `request` ends in. */
  async failure(request: PeerRequest, options?: SendTo): Promise<DkvError> {
    return failureOf(this.send(request, options));
  }

  private get started() {
    assert(this.parts, 'The pair is not started.');
    return this.parts;
  }
}

/** The DkvError that `outcome` ends in. */
export async function failureOf(outcome: Promise<unknown>): Promise<DkvError> {
  const [settled] = await Promise.allSettled([outcome]);
  assert(settled?.status === 'rejected', 'It should have failed.');
  assert(isDkvError(settled.reason), `Not a DkvError: ${String(settled.reason)}`);
  return settled.reason;
}
