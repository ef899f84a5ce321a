/** Protections of eventual namespaces, each taken away on purpose. */
import { PeerDirectory } from '../../../libs/dkv/src/cluster/peer-directory.js';
import { type VersionClock } from '../../../libs/dkv/src/cluster/version-clock.js';
import { DkvError, isDkvError } from '../../../libs/dkv/src/dkv.errors.js';
import { CountersAndDigests } from '../../../libs/dkv/src/storage/eventual/counters-and-digests.js';
import { type RecordId } from '../../../libs/dkv/src/model/key.js';
import { type KvRecord, stampRecord } from '../../../libs/dkv/src/model/record.js';
import { type Deadline } from '../../../libs/dkv/src/cluster/deadline.js';
import { OwnWrites, type OwnWrite } from '../../../libs/dkv/src/eventual/own-writes.js';
import { Reader } from '../../../libs/dkv/src/eventual/reader.js';
import { Replica } from '../../../libs/dkv/src/eventual/replica.js';
import { Shipment } from '../../../libs/dkv/src/eventual/shipment.js';
import { Forwarding } from '../../../libs/dkv/src/eventual/forwarding.js';
import { AntiEntropy } from '../../../libs/dkv/src/eventual/repair/anti-entropy.js';
import { HintedHandoff } from '../../../libs/dkv/src/eventual/repair/hinted-handoff.js';
import { ReadRepair } from '../../../libs/dkv/src/eventual/repair/read-repair.js';
import { SimInode } from '../../../libs/dkv/testing/simulation/sim-folder.js';
import { type PlantedBug, replace } from './plant.js';

export const EVENTUAL_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a peer that is there again as another process is no suspect any more',
    rules: ['liveness'],
    plant: () =>
      replace<unknown[], boolean>(PeerDirectory, 'admit', (self, original, ...heard) => {
        const { view } = self as unknown as { view: object };
        const deaf = Object.create(view, { setState: { value: () => undefined } }) as object;
        Object.assign(self, { view: deaf });
        const isAdmitted = original(...heard);
        Object.assign(self, { view });
        return isAdmitted;
      }),
  },
  {
    protection: 'own writes are remembered until the local copy has them',
    rules: ['own-writes'],
    plant: () => {
      replace<[RecordId], OwnWrite | undefined>(OwnWrites, 'expected', () => undefined);
      replace<[unknown, KvRecord], Promise<void>>(Forwarding, 'remember', async () => {});
    },
  },
  {
    protection: 'a quorum read asks a majority',
    rules: ['quorum-read', 'resurrection'],
    plant: () =>
      replace<[RecordId, OwnWrite | undefined, Deadline], unknown>(Reader, 'readQuorum', (self, _, ...args) =>
        self.readOne!(...args),
      ),
  },
  {
    protection: 'a write waits for as many copies as its level asks for',
    rules: ['quorum-read', 'lost-write', 'resurrection'],
    plant: () =>
      replace<[], unknown>(Shipment, 'start', (self, original) => {
        (self as Record<string, unknown>).level = 'one';
        return original();
      }),
  },
  {
    protection: 'a hint never counts as a copy',
    rules: ['quorum-read', 'resurrection'],
    plant: () =>
      replace<[string], Promise<boolean>>(Shipment, 'deliver', async (self, original, nodeId) => {
        const taken = await original(nodeId);
        if (!taken) {
          (self as unknown as { holders: string[] }).holders.push(nodeId);
        }
        return taken;
      }),
  },
  {
    protection: 'a write is on the disk before it is acknowledged',
    rules: ['lost-write', 'resurrection', 'own-writes', 'quorum-read', 'divergence', 'restamp'],
    plant: () =>
      replace<[number], void>(SimInode, 'sync', (_, original, count) => original(Math.min(count, 0))),
  },
  {
    protection: 'a delete is a record on every replica',
    rules: ['resurrection', 'divergence', 'quorum-read', 'lost-write'],
    plant: () =>
      replace<[number, KvRecord], Promise<KvRecord>>(
        Replica,
        'join',
        async (_, original, partition, record) => (record.tombstone ? record : original(partition, record)),
      ),
  },
  {
    protection: 'what a node missed is repaired',
    rules: ['divergence'],
    plant: () => {
      replace<[string], Promise<void>>(HintedHandoff, 'replay', async () => {});
      replace<[string], Promise<boolean>>(AntiEntropy, 'syncWith', async () => true);
      replace<[], Promise<void>>(ReadRepair, 'sendWinner', async () => {});
    },
  },
  {
    protection: 'anti-entropy finds what no hint was kept for',
    rules: ['divergence'],
    plant: () => {
      replace<[unknown], Promise<void>>(HintedHandoff, 'add', async () => {});
      replace<[string], Promise<boolean>>(AntiEntropy, 'syncWith', async () => true);
    },
  },
  {
    protection: 'hash trees are stored in the same batch as the record',
    rules: ['tree'],
    plant: () =>
      replace<[], readonly unknown[]>(CountersAndDigests, 'operationsFor', (_, original, ...args) => {
        original(...args);
        return [];
      }),
  },
  {
    protection: 'a version is stamped once and copied verbatim',
    rules: ['restamp', 'divergence', 'lost-write', 'quorum-read', 'own-writes'],
    plant: () =>
      replace<[number, KvRecord], Promise<KvRecord>>(Replica, 'join', (self, original, partition, record) => {
        const { versions } = (self as unknown as { context: { versions: VersionClock } }).context;
        return original(partition, stampRecord({ ...record, version: versions.joinOf(record.version) }));
      }),
  },
  {
    protection: 'a write whose coordinator fell silent is not given to another',
    rules: ['restamp', 'phantom'],
    plant: () =>
      replace<unknown[], Promise<unknown>>(Forwarding, 'send', async (_, original, ...args) => {
        try {
          return await original(...args);
        } catch (error) {
          throw isDkvError(error, 'DKV_INDETERMINATE') ? new DkvError('DKV_NOT_READY', error.message) : error;
        }
      }),
  },
  {
    protection: 'a forwarded write that arrives twice is carried out once',
    rules: ['restamp'],
    plant: () =>
      replace<unknown[], unknown>(Forwarding, 'receive', (self, _, ...args) => self.inTime!(...args)),
  },
];
