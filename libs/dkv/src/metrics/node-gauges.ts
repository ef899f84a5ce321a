/** What is measured when it is asked for: the state of this node as Prometheus gauges. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { type Dkv } from '../dkv.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';

/** Registers the gauges of one node; they are read when the registry is scraped. */
export function registerNodeGauges(registry: Registry, dkv: Dkv, remote: RemoteKvRepo, nodeId: string): void {
  const registers = [registry];
  // A scrape reads all gauges in one turn: the figures are put together once for it.
  let known: ReturnType<Dkv['metrics']> | undefined;
  const figures = () => {
    if (!known) {
      known = dkv.metrics();
      queueMicrotask(() => (known = undefined));
    }
    return known;
  };
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `dkv_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const total = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `dkv_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  gauge('up', 'Whether the store is open', () => 1);
  gauge('ready', 'Whether this node is ready to serve', () => Number(figures().ready));
  gauge('keys', 'Live keys held by this node', () => figures().keys);
  gauge('tombstones', 'Remembered deletes held by this node', () => figures().tombstones);
  gauge('storage_bytes', 'Size of the store of this node', () => figures().storageBytes);
  gauge('cache_bytes', 'Memory of the hot records cached', () => figures().cacheBytes ?? 0);
  gauge('log_bytes', 'Size of the log of this node', () => figures().logBytes);
  gauge('dirty_bytes', 'Strong records that no checkpoint has yet', () => figures().dirtyBytes);
  gauge(
    'groups_without_quorum',
    'Own partitions of strong namespaces that take no writes: too few of their voters take part',
    () => figures().groupsWithoutQuorum,
  );
  gauge('groups_led', 'Partitions of strong namespaces that this node leads', () => figures().groupsLed);
  total('corrupt_records', 'Damaged strong records met by reads', () => figures().corruptRecords);
  gauge('hints_pending_bytes', 'Marks of what other nodes missed', () => figures().hintBytes);
  gauge(
    'partitions_under_replicated',
    'Own partitions with a copy on a node that is down, or that is none of its voters',
    () => figures().partitionsUnderReplicated,
  );
  total('cache_hits', 'Reads of records that were in the hot cache', () => figures().cacheHits ?? 0);
  total('cache_misses', 'Reads of records that had to go to the store', () => figures().cacheMisses ?? 0);
  new Gauge({
    name: 'dkv_members',
    help: 'Members by state as this node sees them',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of ['up', 'suspect', 'down']) {
        this.set({ state }, dkv.cluster().filter((node) => node.state === state).length);
      }
    },
  });
  new Gauge({
    name: 'dkv_partitions_owned',
    help: 'Partitions that this node holds, by role',
    labelNames: ['role'],
    registers,
    collect() {
      const own = dkv.cluster().find((node) => node.nodeId === nodeId);
      this.set({ role: 'holder' }, own?.partitions.holder ?? 0);
      this.set({ role: 'replica' }, own?.partitions.replica ?? 0);
    },
  });
  new Counter({
    name: 'dkv_peer_bytes_total',
    help: 'Bytes of requests to peers and of their answers',
    labelNames: ['direction'],
    registers,
    collect() {
      const { sentBytes, receivedBytes } = remote.metrics();
      this.reset();
      this.inc({ direction: 'out' }, sentBytes);
      this.inc({ direction: 'in' }, receivedBytes);
    },
  });
  new Gauge({
    name: 'dkv_build_info',
    help: 'The storage engine of this node and its name; always 1',
    labelNames: ['engine', 'node'],
    registers,
    collect() {
      this.set({ engine: figures().engine, node: nodeId }, 1);
    },
  });
}
