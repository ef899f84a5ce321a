/** What one process of the demo is told by its environment: each variable, its default, what is allowed. */
import { plainToInstance, Transform } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsOptional,
  Matches,
  Max,
  MaxLength,
  Min,
  type ValidationArguments,
  type ValidationOptions,
  validateSync,
} from 'class-validator';
import {
  type DkvModuleOptions,
  type Durability,
  isDkvError,
  NAMESPACE_MODES,
  type NamespaceMode,
  type PeerTransport,
  type Storage,
} from 'nestjs-dkv';
import { hostname } from 'node:os';
import { DISCOVERY_FORMS, discoveryOf } from './discovery.js';

const STORAGES: readonly Storage[] = ['auto', 'rocksdb', 'rocksdb-native', 'classic-level', 'memory'];
const TRANSPORTS: readonly PeerTransport[] = ['stream', 'http'];
const DURABILITIES: readonly Durability[] = ['wal', 'fsync'];
const JOINS = ['automatic', 'manual'] as const;
const SWITCH = ['off', 'on'] as const;

/** Says variable, value and remedy. */
function says(remedy: string): ValidationOptions {
  return {
    message: ({ property, value }: ValidationArguments) =>
      `${property} is ${JSON.stringify(value)}: ${remedy}`,
  };
}

function Whole(min: number, max: number, unit: string): PropertyDecorator {
  const rule = says(`give a whole number from ${min} to ${max} (${unit})`);
  return (target, property) => {
    // Only plain digits become a number, so that a message shows what was given and not NaN.
    Transform(({ value }) => (/^\d{1,15}$/.test(String(value)) ? Number(value) : (value as unknown)))(
      target,
      property,
    );
    for (const decorate of [IsInt(rule), Min(min, rule), Max(max, rule), IsOptional()]) {
      decorate(target, property);
    }
  };
}

/** Never shown, so its rule does not tell the value. */
function Secret(): PropertyDecorator {
  const rule = Matches(/^[\x21-\x7e]{8,256}$/, {
    message: ({ property }: ValidationArguments) =>
      `${property}: give 8 to 256 printable ASCII characters without spaces (the value is not shown here)`,
  });
  return (target, property) => {
    IsOptional()(target, property);
    rule(target, property);
  };
}

/** Properties are the variables, by their own names. */
export class Environment {
  /** Address that the application and the peer port are bound to: by default this machine alone reaches them. */
  @Matches(/^[\w.:-]{1,255}$/, says('give an address of this machine, or 0.0.0.0 for all'))
  HOST = '127.0.0.1';

  @Whole(0, 65_535, 'a TCP port')
  PORT = 3001;

  /** Unique in the cluster, and the name of the data folder. */
  @Matches(/^[A-Za-z0-9._-]{1,100}$/, says('give 1 to 100 characters of A-Z a-z 0-9 . _ -'))
  DKV_NODE_ID = hostname();

  /** Default: the port that `DKV_NODES` tells of this node. */
  @Whole(1, 65_535, 'a TCP port')
  DKV_PEER_PORT: number | undefined = undefined;

  /** Default: `dkv-data/<node id>`, under the folder that the process is started in. */
  @IsOptional()
  @MaxLength(4096, says('give a path'))
  DKV_DATA_DIR: string | undefined = undefined;

  /** `node1=127.0.0.1:7001,node2=127.0.0.1:7002`; absent: one embedded node that listens to no peers. */
  @IsOptional()
  @MaxLength(65_536, says('give node1=host:port,node2=host:port'))
  DKV_NODES: string | undefined = undefined;

  /** A service that knows the nodes, instead of `DKV_NODES`: `dns:_peers._tcp.app.local@127.0.0.1:5353`, `kubernetes:app-peers`. */
  @IsOptional()
  @MaxLength(4096, says(DISCOVERY_FORMS))
  DKV_DISCOVERY: string | undefined = undefined;

  /** Of a service discovery. */
  @Secret()
  DKV_DISCOVERY_KEY = 'demo-discovery-key';

  /** How many processes make a cluster. Default: all of `DKV_NODES`; with `DKV_DISCOVERY` it must be given for the first start. */
  @Whole(1, 1_000, 'a number of nodes')
  DKV_CLUSTER_SIZE: number | undefined = undefined;

  /** `stream` or `http`: how the processes talk to each other. */
  @IsIn(TRANSPORTS, says(`give one of ${TRANSPORTS.join(', ')}`))
  DKV_TRANSPORT: PeerTransport = 'stream';

  @Secret()
  DKV_API_KEY: string | undefined = undefined;

  /** Of operators: without it nobody is served below `/admin` of the peer port. */
  @Secret()
  DKV_ADMIN_KEY: string | undefined = undefined;

  /** Path of this process's key, in PEM. The three go together; absent: peers talk unencrypted. */
  @IsOptional()
  @MaxLength(4096, says('give a path'))
  DKV_TLS_KEY: string | undefined = undefined;

  /** Path of its certificate. */
  @IsOptional()
  @MaxLength(4096, says('give a path'))
  DKV_TLS_CERT: string | undefined = undefined;

  /** Path of the certificate of the CA: peers must have one of it. */
  @IsOptional()
  @MaxLength(4096, says('give a path'))
  DKV_TLS_CA: string | undefined = undefined;

  /** Copies besides the holder's. */
  @Whole(0, 15, 'copies')
  DKV_REPLICAS = 2;

  /** How a node that starts with an empty folder becomes a member of a cluster that exists: by itself, or when an operator admits it. */
  @IsIn(JOINS, says(`give one of ${JOINS.join(', ')}`))
  DKV_JOIN: (typeof JOINS)[number] = 'automatic';

  /** Slices of the key space, fixed with the first start of the cluster. Default: the store's. */
  @Whole(1, 65_534, 'partitions')
  DKV_PARTITIONS: number | undefined = undefined;

  /** A member that is down for so long gives its copies to others; 0 for never. Default: the store's. */
  @Whole(0, 31_536_000_000, 'milliseconds')
  DKV_MEMBER_REMOVAL_MS: number | undefined = undefined;

  /**
   * Of the items; counters and locks are strong always. Fixed with the first start on a data folder.
   */
  @IsIn(NAMESPACE_MODES, says(`give one of ${NAMESPACE_MODES.join(', ')}`))
  DKV_MODE: NamespaceMode = 'strong';

  @IsIn(DURABILITIES, says(`give one of ${DURABILITIES.join(', ')}`))
  DKV_DURABILITY: Durability = 'wal';

  /** `on` where the rates of all machines' monotonic clocks can be trusted: linearizable reads without a round to peers. */
  @IsIn(SWITCH, says(`give one of ${SWITCH.join(', ')}`))
  DKV_LEASE_READS: (typeof SWITCH)[number] = 'off';

  @IsIn(STORAGES, says(`give one of ${STORAGES.join(', ')}`))
  DKV_STORAGE: Storage = 'auto';

  /** Random operations a second that the process does by itself; 0: none. */
  @Whole(0, 100_000, 'operations a second')
  MONKEY_RATE = 0;

  /**
   * How long a stopping process still answers, unready, so that a load balancer can turn away from it. Applies to
   * SIGTERM only.
   */
  @Whole(0, 600_000, 'milliseconds')
  SHUTDOWN_DELAY_MS = 0;

  get dataDir(): string {
    return this.DKV_DATA_DIR ?? `dkv-data/${this.DKV_NODE_ID}`;
  }

  /** The store's option. */
  get tls(): DkvModuleOptions['tls'] {
    const { DKV_TLS_KEY: keyFile, DKV_TLS_CERT: certFile, DKV_TLS_CA: caFile } = this;
    return keyFile && certFile && caFile ? { keyFile, certFile, caFile } : undefined;
  }
}

export class EnvironmentError extends Error {
  readonly code = 'INVALID_ENVIRONMENT';
}

/**
 * Takes the known variables; one that is set to nothing counts as absent.
 * @throws EnvironmentError naming each wrong variable, its value and the remedy.
 */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const known = Object.keys(new Environment());
  const given = Object.fromEntries(
    known.filter((name) => variables[name]).map((name) => [name, variables[name]] as const),
  );
  const environment = plainToInstance(Environment, given, { exposeDefaultValues: true });
  const faults = validateSync(environment, { stopAtFirstError: true }).flatMap(({ constraints }) =>
    Object.values(constraints ?? {}),
  );
  if (faults.length === 0) {
    faults.push(...wrongTogether(environment));
  }
  if (faults.length > 0) {
    throw new EnvironmentError(faults.join('\n'));
  }
  return environment;
}

function wrongTogether(environment: Environment): string[] {
  return [...wrongTls(environment), ...wrongMember(environment)];
}

function wrongTls({ DKV_TLS_KEY, DKV_TLS_CERT, DKV_TLS_CA }: Environment): string[] {
  const missing = Object.entries({ DKV_TLS_KEY, DKV_TLS_CERT, DKV_TLS_CA })
    .filter(([, path]) => path === undefined)
    .map(([name]) => name);
  return missing.length % 3 === 0
    ? []
    : [`${missing.join(' and ')} not set: give all three paths, of key, certificate and CA, or none`];
}

function wrongMember(environment: Environment): string[] {
  const { DKV_NODES, DKV_DISCOVERY, DKV_API_KEY } = environment;
  if (DKV_NODES === undefined && DKV_DISCOVERY === undefined) {
    return [];
  }
  const faults: string[] = [];
  if (DKV_API_KEY === undefined) {
    faults.push('DKV_API_KEY is not set: nodes share a secret of 8 to 256 characters, give all the same one');
  }
  if (DKV_NODES !== undefined && DKV_DISCOVERY !== undefined) {
    return [...faults, 'DKV_NODES and DKV_DISCOVERY are both set: give the nodes, or who knows them'];
  }
  try {
    discoveryOf(environment);
  } catch (error) {
    if (!isDkvError(error) && !(error instanceof TypeError)) {
      throw error;
    }
    const variable = DKV_NODES === undefined ? 'DKV_DISCOVERY' : 'DKV_NODES';
    return [...faults, `${variable} is ${JSON.stringify(DKV_NODES ?? DKV_DISCOVERY)}: ${error.message}`];
  }
  return DKV_NODES === undefined ? faults : [...faults, ...wrongOwnEntry(environment, DKV_NODES)];
}

function wrongOwnEntry({ DKV_NODE_ID, DKV_PEER_PORT }: Environment, nodes: string): string[] {
  const own = nodes.split(',').find((entry) => entry.trim().startsWith(`${DKV_NODE_ID}=`));
  if (!own) {
    return [
      `DKV_NODE_ID is ${JSON.stringify(DKV_NODE_ID)}, which DKV_NODES does not name (${nodes}): ` +
        `give one of its nodes, or add this one`,
    ];
  }
  if (DKV_PEER_PORT !== undefined && !new RegExp(`:${DKV_PEER_PORT}(;|$)`).test(own.trim())) {
    return [
      `DKV_PEER_PORT is ${DKV_PEER_PORT} but DKV_NODES says ${own.trim()}: peers would knock at the wrong port; ` +
        `give both the same, or leave DKV_PEER_PORT out`,
    ];
  }
  return [];
}
