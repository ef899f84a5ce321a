/** The example of the Go library that this one began with, line by line: a service that plays with keys, found by a service discovery. */
import {
  type DynamicModule,
  type INestApplication,
  Injectable,
  Logger,
  Module,
  type NestApplicationOptions,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Dkv, DkvModule, HttpServiceDiscovery, HttpServiceDiscoveryModule, InjectDkv } from 'nestjs-dkv';
import { randomInt, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const TOTAL_STORAGE_CAP = 1_000_000;

interface Value {
  readonly foo: string;
  readonly bar: string;
}

@Injectable()
class Monkey implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  private readonly logger = new Logger('Monkey');
  private readonly ended = new AbortController();
  private playing: Promise<void> | undefined;

  constructor(@InjectDkv() private readonly client: Dkv<Value>) {}

  onApplicationBootstrap(): void {
    this.playing = this.play(this.ended.signal);
    this.logger.log('Service started');
  }

  async onModuleDestroy(): Promise<void> {
    this.ended.abort();
    await this.playing;
  }

  onApplicationShutdown(): void {
    this.logger.log('Service stopped');
  }

  private async play(signal: AbortSignal): Promise<void> {
    for (await pause(5_000, signal); !signal.aborted; await pause(100, signal)) {
      const key = `monkey_${randomInt(TOTAL_STORAGE_CAP)}`;
      try {
        if (randomInt(2) === 0) {
          await this.client.addOrUpdate(key, { foo: randomUUID(), bar: randomUUID() });
        } else {
          await this.client.get(key); // undefined where there is none
        }
      } catch (error) {
        this.logger.error(`using the store: ${String(error)}`);
      }
    }
  }
}

@Module({})
class MonkeyModule {}

function monkeyService(env: NodeJS.ProcessEnv): DynamicModule {
  const serviceDiscovery = HttpServiceDiscoveryModule.forRoot({
    serviceName: 'dkv_monkey_service',
    url: env.DISCOVERY_URL ?? 'http://discovery:6500',
    serviceKey: env.DISCOVERY_KEY ?? 'ak',
    callbackUrl: `http://${env.HOST ?? hostname()}:${env.PORT ?? '80'}`,
  });
  const store = DkvModule.forRootAsync({
    imports: [serviceDiscovery],
    inject: [HttpServiceDiscovery],
    useFactory: (discovery: HttpServiceDiscovery) => ({
      apiKey: env.DKV_API_KEY ?? 'dkv_api_key',
      nodeId: env.DKV_NODE_ID ?? hostname(),
      hostname: env.HOST ?? hostname(),
      discovery,
      // The first makes the cluster, the others join it.
      clusterSize: 1,
      peerPort: Number(env.DKV_PEER_PORT ?? 7000),
      dataDir: env.DKV_DATA_DIR,
    }),
  });
  return { module: MonkeyModule, imports: [serviceDiscovery, store], providers: [Monkey] };
}

export async function start(
  env: NodeJS.ProcessEnv,
  options: NestApplicationOptions = {},
): Promise<INestApplication> {
  const app = await NestFactory.create(monkeyService(env), new FastifyAdapter(), options);
  app.enableShutdownHooks();
  await app.listen(env.PORT ?? '80', '0.0.0.0');
  return app;
}

/** Resolves early where the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

if (process.argv[1] === import.meta.filename) {
  await start(process.env);
}
