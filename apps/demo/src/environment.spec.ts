/** The variables of a process: defaults, what is refused and in which words. */
import 'reflect-metadata';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { EnvironmentError, readEnvironment } from './environment.js';

const NODES = 'node1=127.0.0.1:7001,node2=127.0.0.1:7002;weight=2';
const MEMBER = { DKV_NODES: NODES, DKV_NODE_ID: 'node2', DKV_API_KEY: 'secret-of-nodes' };

describe('readEnvironment', () => {
  it('has a default for everything', () => {
    const environment = readEnvironment({});
    expect({ ...environment }).toEqual({
      HOST: '127.0.0.1',
      PORT: 3001,
      DKV_NODE_ID: hostname(),
      DKV_PEER_PORT: undefined,
      DKV_DATA_DIR: undefined,
      DKV_NODES: undefined,
      DKV_DISCOVERY: undefined,
      DKV_DISCOVERY_KEY: 'demo-discovery-key',
      DKV_CLUSTER_SIZE: undefined,
      DKV_API_KEY: undefined,
      DKV_ADMIN_KEY: undefined,
      DKV_TLS_KEY: undefined,
      DKV_TLS_CERT: undefined,
      DKV_TLS_CA: undefined,
      DKV_REPLICAS: 2,
      DKV_JOIN: 'automatic',
      DKV_PARTITIONS: undefined,
      DKV_MEMBER_REMOVAL_MS: undefined,
      DKV_MODE: 'strong',
      DKV_DURABILITY: 'wal',
      DKV_LEASE_READS: 'off',
      DKV_TRANSPORT: 'stream',
      DKV_STORAGE: 'auto',
      MONKEY_RATE: 0,
      SHUTDOWN_DELAY_MS: 0,
    });
    expect(environment.dataDir).toBe(`dkv-data/${hostname()}`);
    expect(environment.tls).toBeUndefined();
  });

  it('takes what is given, an empty variable for none, and nothing else', () => {
    const environment = readEnvironment({
      ...MEMBER,
      PORT: '0',
      MONKEY_RATE: '',
      HOME: '/root',
      DKV_PORT: 'tcp://1',
    });
    expect(environment).toMatchObject({ ...MEMBER, PORT: 0, MONKEY_RATE: 0 });
    expect(environment).not.toHaveProperty('HOME');
    expect(environment).not.toHaveProperty('DKV_PORT');
  });

  it('takes the paths of key, certificate and CA', () => {
    const paths = { DKV_TLS_KEY: '/tls/tls.key', DKV_TLS_CERT: '/tls/tls.crt', DKV_TLS_CA: '/tls/ca.crt' };
    const { tls } = readEnvironment({ ...MEMBER, ...paths });
    expect(tls).toEqual({ keyFile: '/tls/tls.key', certFile: '/tls/tls.crt', caFile: '/tls/ca.crt' });
  });

  it.each([
    [{ PORT: '65536' }, 'PORT is 65536: give a whole number from 0 to 65535 (a TCP port)'],
    [{ PORT: '3e3' }, 'PORT is "3e3": give a whole number'],
    [{ DKV_REPLICAS: '2.5' }, 'DKV_REPLICAS is "2.5": give a whole number from 0 to 15 (copies)'],
    [{ DKV_NODE_ID: 'a b' }, 'DKV_NODE_ID is "a b": give 1 to 100 characters'],
    [{ DKV_JOIN: 'never' }, 'DKV_JOIN is "never": give one of automatic, manual'],
    [{ DKV_MODE: 'weak' }, 'DKV_MODE is "weak": give one of strong, eventual'],
    [{ DKV_DURABILITY: 'none' }, 'DKV_DURABILITY is "none": give one of wal, fsync'],
    [{ ...MEMBER, DKV_NODES: 'node1' }, 'DKV_NODES is "node1": Not a node'],
    [{ ...MEMBER, DKV_NODE_ID: 'node3' }, 'DKV_NODE_ID is "node3", which DKV_NODES does not name'],
    [{ ...MEMBER, DKV_PEER_PORT: '7001' }, 'DKV_PEER_PORT is 7001 but DKV_NODES says node2=127.0.0.1:7002'],
    [{ ...MEMBER, DKV_DISCOVERY: 'etcd:http://127.0.0.1:2379' }, 'DKV_NODES and DKV_DISCOVERY are both set'],
    [
      { DKV_DISCOVERY: 'zookeeper', DKV_API_KEY: 'secret-of-nodes' },
      'DKV_DISCOVERY is "zookeeper": give dns:',
    ],
    [{ DKV_DISCOVERY: 'etcd:127.0.0.1', DKV_API_KEY: 'secret-of-nodes' }, 'Options of EtcdDiscovery:'],
    [
      { DKV_DISCOVERY: 'kubernetes:app-peers', DKV_API_KEY: 'secret-of-nodes' },
      'KUBERNETES_SERVICE_HOST is not set: this process runs in no pod',
    ],
    [{ DKV_DISCOVERY: 'dns:a.b@here', DKV_API_KEY: 'secret-of-nodes' }, 'Options of DnsDiscovery:'],
    [
      { DKV_DISCOVERY: 'service:discovery', DKV_API_KEY: 'secret-of-nodes' },
      'Options of HttpServiceDiscovery:',
    ],
    [{ DKV_DISCOVERY: 'etcd:http://127.0.0.1:2379' }, 'DKV_API_KEY is not set'],
    [{ ...MEMBER, DKV_API_KEY: '' }, 'DKV_API_KEY is not set'],
    [{ ...MEMBER, DKV_TLS_KEY: 'a', DKV_TLS_CERT: 'b' }, 'DKV_TLS_CA not set: give all three paths'],
    [{ DKV_TLS_CA: 'c' }, 'DKV_TLS_KEY and DKV_TLS_CERT not set: give all three paths'],
    [{ DKV_TLS_KEY: 'x'.repeat(4097) }, 'give a path'],
  ])('refuses %j, saying why', (variables, message) => {
    expect(() => readEnvironment(variables)).toThrow(EnvironmentError);
    expect(() => readEnvironment(variables)).toThrow(message);
  });

  it('lists every fault at once and never shows the key', () => {
    const read = () => readEnvironment({ PORT: 'x', DKV_STORAGE: 'disk', DKV_API_KEY: 'short' });
    expect(read).toThrow(/PORT[^]*DKV_STORAGE|DKV_STORAGE[^]*PORT/);
    expect(read).not.toThrow('short');
  });
});
