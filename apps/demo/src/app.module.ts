/** The demo: an ordinary Nest application whose processes hold its data themselves. */
import { type DynamicModule, Module, ValidationPipe } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import {
  DkvError,
  DkvExceptionFilter,
  DkvHealthModule,
  DkvModule,
  type DkvModuleOptions,
  JsonCodec,
} from 'nestjs-dkv';
import { ClusterController } from './cluster/cluster.controller.js';
import { COUNTERS, CountersController } from './counters/counters.controller.js';
import { discoveryOf } from './discovery.js';
import { Environment } from './environment.js';
import { HealthController } from './health/health.controller.js';
import { HttpDrain } from './http/http-drain.js';
import { ItemsController } from './items/items.controller.js';
import { LOCKS, LocksController } from './locks/locks.controller.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { MonkeyService } from './monkey/monkey.service.js';

@Module({})
export class AppModule {
  static of(environment: Environment): DynamicModule {
    const { discovery, module } = discoveryOf(environment);
    return {
      module: AppModule,
      imports: [
        DkvModule.forRoot({ ...storeOptions(environment), discovery }),
        module,
        // Strong whatever the items are: neither can be had without one order of writes.
        DkvModule.forFeature([{ name: COUNTERS }, { name: LOCKS }]),
        DkvHealthModule,
        // A probe that fails is answered; a line for each would fill the log of a node that catches up.
        TerminusModule.forRoot({ logger: false, gracefulShutdownTimeoutMs: environment.SHUTDOWN_DELAY_MS }),
      ],
      controllers: [
        ItemsController,
        CountersController,
        LocksController,
        ClusterController,
        HealthController,
        MetricsController,
      ],
      providers: [
        { provide: Environment, useValue: environment },
        { provide: APP_FILTER, useClass: DkvExceptionFilter },
        { provide: APP_PIPE, useFactory: createValidationPipe },
        HttpDrain,
        MonkeyService,
      ],
    };
  }
}

function storeOptions(environment: Environment): DkvModuleOptions {
  const { HOST, DKV_NODE_ID, DKV_PEER_PORT, DKV_API_KEY, DKV_ADMIN_KEY, DKV_DISCOVERY } = environment;
  return {
    nodeId: DKV_NODE_ID,
    dataDir: environment.dataDir,
    storage: environment.DKV_STORAGE,
    durability: environment.DKV_DURABILITY,
    replicas: environment.DKV_REPLICAS,
    partitions: environment.DKV_PARTITIONS,
    clusterSize: environment.DKV_CLUSTER_SIZE,
    memberRemovalMs: environment.DKV_MEMBER_REMOVAL_MS,
    mode: environment.DKV_MODE,
    join: environment.DKV_JOIN,
    leaseReads: environment.DKV_LEASE_READS === 'on',
    // Bodies are JSON and so are the values: what comes back is what was sent.
    codec: new JsonCodec(),
    // With a service nobody else says where the others reach this process.
    ...(DKV_DISCOVERY !== undefined && { hostname: HOST === '0.0.0.0' ? '127.0.0.1' : HOST }),
    peerBind: HOST,
    peerPort: DKV_PEER_PORT,
    transport: environment.DKV_TRANSPORT,
    apiKey: DKV_API_KEY,
    adminKey: DKV_ADMIN_KEY,
    tls: environment.tls,
  };
}

/** Unknown query parameters are refused: a mistyped `consistency` must not be ignored. */
function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    stopAtFirstError: true,
    exceptionFactory: ([error]) => {
      const [reason] = Object.values(error?.constraints ?? {});
      return new DkvError('DKV_INVALID_ARGUMENT', `${reason ?? 'The request is not valid'}.`);
    },
  });
}
