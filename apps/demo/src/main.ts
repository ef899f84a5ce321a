/** Starts one process of the demo, and stops it when it is told to. */
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Dkv } from 'nestjs-dkv';
import { type AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { AppModule } from './app.module.js';
import { DemoLogger } from './demo-logger.js';
import { type Environment, readEnvironment } from './environment.js';
import { DOCS_PATH, serveApiDocs } from './http/api-docs.js';
import { createHttpAdapter } from './http/http-adapter.js';

/** A terminal that was closed or a pipe that broke is no reason to stop: the log is lost, not the data. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', () => undefined);
}

async function boot(): Promise<void> {
  const environment = readEnvironment(process.env);
  const logger = new DemoLogger(environment.DKV_NODE_ID);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.of(environment),
    createHttpAdapter(environment.HOST),
    {
      logger,
      abortOnError: false,
      // The adapter brings its own.
      bodyParser: false,
    },
  );
  app.enableShutdownHooks(['SIGTERM', 'SIGINT', 'SIGHUP'], { useProcessExit: true });
  // Started by another process, over a channel that tells when that one dies: no process is left behind.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  serveApiDocs(app);
  try {
    await app.listen(environment.PORT, environment.HOST);
  } catch (error) {
    // The store is open by now: close it, but tell of the first error only.
    await app.close().catch(() => undefined);
    throw error;
  }
  logger.log(describeNode(app, environment));
}

function describeNode(app: NestFastifyApplication, environment: Environment): string {
  const { HOST, DKV_NODE_ID, dataDir } = environment;
  const isAmongOthers = environment.DKV_NODES !== undefined || environment.DKV_DISCOVERY !== undefined;
  const { port } = app.getHttpServer().address() as AddressInfo;
  const dkv = app.get(Dkv);
  const self = dkv.cluster().find(({ nodeId }) => nodeId === DKV_NODE_ID);
  const alone = isAmongOthers ? 'none (no member of the cluster)' : 'none (one embedded node)';
  const peers = isAmongOthers && self ? `${self.host}:${self.port}` : alone;
  const host = HOST === '0.0.0.0' ? '127.0.0.1' : HOST;
  return (
    `application http://${host}:${port} (docs ${DOCS_PATH}), peers ${peers}, ` +
    `data ${resolve(dataDir)} (${dkv.metrics().engine}), process ${process.pid}`
  );
}

/** Code and message: what an operator needs. A stack only for what nobody foresaw. */
function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const { code } = error as { code?: unknown };
  if (code === 'EADDRINUSE') {
    const { port } = error as { port?: number };
    return `PORT_IN_USE: The port ${port} (PORT) is taken by another process. Stop that process or set another PORT.`;
  }
  return typeof code === 'string' ? `${code}: ${error.message}` : (error.stack ?? error.message);
}

try {
  await boot();
} catch (error) {
  process.stderr.write(`The node did not start.\n${describeFailure(error)}\n`);
  process.exit(1);
}
