/** One node as an application has it: a Nest application context with the store and two more namespaces. */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  BytesCodec,
  Dkv,
  DkvModule,
  getDkvToken,
  MsgpackCodec,
  StaticDiscovery,
  type Storage,
} from 'nestjs-dkv';
import { keyOf, type Store } from '../load/store.js';
import { type KeyPlace } from '../workloads.js';

/** Of one replica, so that of three nodes each lacks a third of its keys. */
const ELSEWHERE = 'elsewhere';
/** Of numbers, where the others hold bytes. */
const COUNTERS = 'counters';
const POLL_MS = 20;
/** Errors should be known, the rest would be in the way. */
const LOGGER = {
  log: () => undefined,
  warn: () => undefined,
  error: (message: string) => process.stderr.write(`${message}\n`),
};

export interface NodeSettings {
  readonly nodeId: string;
  /** As `StaticDiscovery.parse` takes it. */
  readonly nodes: string;
  readonly apiKey: string;
  readonly dataDir: string;
  readonly durability: 'wal' | 'fsync';
  readonly hashFunc: 'md5' | 'xxhash';
  /** PEM texts. Default: peers talk unencrypted. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string };
  /** Default: `auto`. */
  readonly storage?: Storage;
}

export class NodeApplication {
  /** Indices of keys that this node does not hold, as many as were asked for yet. */
  private absent = new Uint32Array(0);
  private readonly held: Dkv<Uint8Array>;
  private readonly elsewhere: Dkv<Uint8Array>;
  private readonly counters: Dkv<number>;

  private constructor(
    private readonly app: INestApplicationContext,
    private readonly nodeId: string,
  ) {
    this.held = app.get<Dkv<Uint8Array>>(Dkv);
    this.elsewhere = app.get<Dkv<Uint8Array>>(getDkvToken(ELSEWHERE));
    this.counters = app.get<Dkv<number>>(getDkvToken(COUNTERS));
  }

  /** Resolves when the node serves. */
  static async start(settings: NodeSettings): Promise<NodeApplication> {
    const { nodeId, nodes, apiKey, dataDir, durability, hashFunc, tls, storage = 'auto' } = settings;
    @Module({
      imports: [
        DkvModule.forRoot({
          nodeId,
          dataDir,
          storage,
          durability,
          discovery: StaticDiscovery.parse(nodes),
          peerBind: '127.0.0.1',
          apiKey,
          tls,
          hashFunc,
          // Of three nodes each holds every key of the default namespace.
          replicas: 2,
          mode: 'strong',
          codec: new BytesCodec(),
          logger: LOGGER,
        }),
        DkvModule.forFeature([
          { name: ELSEWHERE, replicas: 1 },
          { name: COUNTERS, codec: new MsgpackCodec() },
        ]),
      ],
    })
    class BenchModule {}
    const app = await NestFactory.createApplicationContext(BenchModule, {
      logger: false,
      abortOnError: false,
    });
    const node = new NodeApplication(app, nodeId);
    while (!node.held.metrics().ready) {
      await sleep(POLL_MS);
    }
    return node;
  }

  async seeAllUp(): Promise<void> {
    while (this.held.cluster().some(({ state }) => state !== 'up')) {
      await sleep(POLL_MS);
    }
  }

  /** The store as the load loop asks it; its keys are the first ones, or the first ones that this node lacks. */
  storeOf(place: KeyPlace, keys: number, readLevel: 'one' | 'linearizable' = 'one'): Store {
    const dkv = place === 'held' ? this.held : this.elsewhere;
    const absent = place === 'held' ? undefined : this.absentKeys(keys);
    const reading = { consistency: readLevel };
    return {
      key: absent ? (index) => keyOf(absent[index]!) : keyOf,
      read: readLevel === 'one' ? (key) => dkv.get(key) : (key) => dkv.get(key, reading),
      write: (key, value) => dkv.addOrUpdate(key, value),
      increment: async (key) => (await this.counters.increment(key)).value,
    };
  }

  /** The nodes that hold a key, in the namespace of a place. */
  holdersOf(place: KeyPlace, key: string): readonly string[] {
    return (place === 'held' ? this.held : this.elsewhere).nodesOf(key);
  }

  async close(): Promise<void> {
    await this.app.close();
  }

  private absentKeys(count: number): Uint32Array {
    if (this.absent.length < count) {
      const found = new Uint32Array(count);
      for (let index = 0, have = 0; have < count; index++) {
        if (!this.holdersOf('elsewhere', keyOf(index)).includes(this.nodeId)) {
          found[have++] = index;
        }
      }
      this.absent = found;
    }
    return this.absent;
  }
}
