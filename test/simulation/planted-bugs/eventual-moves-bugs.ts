/** Protections of eventual partitions that move, each taken away on purpose. */
import { type ClusterConfiguration, type Move } from '../../../libs/dkv/src/model/membership.js';
import { type KvRecord } from '../../../libs/dkv/src/model/record.js';
import { type ClusterView } from '../../../libs/dkv/src/cluster/cluster-view.js';
import { PartitionLists } from '../../../libs/dkv/src/cluster/partition-lists.js';
import { InboundHandler } from '../../../libs/dkv/src/eventual/inbound-handler.js';
import { Quorum } from '../../../libs/dkv/src/eventual/quorum.js';
import { Replica } from '../../../libs/dkv/src/eventual/replica.js';
import { AntiEntropy } from '../../../libs/dkv/src/eventual/repair/anti-entropy.js';
import { LeftOver } from '../../../libs/dkv/src/eventual/repair/left-over.js';
import { Shipment } from '../../../libs/dkv/src/eventual/shipment.js';
import { Planner } from '../../../libs/dkv/src/strong/membership/planner.js';
import { as } from './broken-rules.js';
import {
  leaveWithWrite,
  readWhileJoint,
  returnWithDeleted,
  writeAfterCopying,
  writeByOldList,
  writeWhileCopying,
} from './eventual-moves-runs.js';
import { type PlantedBug, replace } from './plant.js';

export const EVENTUAL_MOVES_BUGS: readonly PlantedBug[] = [
  {
    protection: 'what is written while nodes copy goes to them as well',
    rules: ['copies'],
    directed: writeWhileCopying,
    plant: () =>
      replace<[], boolean>(Shipment, 'shipToAll', (self, original) => {
        const shipment = as<{ context: { view: ClusterView } }>(self);
        const { context } = shipment;
        const view = Object.create(context.view, {
          nodesOf: { value: (partition: number) => context.view.listOf(partition) },
        }) as ClusterView;
        shipment.context = { ...context, view };
        const isFurther = original();
        shipment.context = context;
        return isFurther;
      }),
  },
  {
    protection: 'both lists count before the one of before does no more',
    rules: ['quorum-read'],
    directed: writeAfterCopying,
    plant: () => {
      replace<[ClusterConfiguration], readonly number[]>(Planner, 'arrivedPlaces', (self, _, current) => {
        const isCopied = (move: Move) => self.isCopied!(current, move) as boolean;
        return current.moving.filter(isCopied).map(({ place }) => place);
      });
      replace<[unknown], readonly number[]>(Planner, 'copiedPlaces', () => []);
    },
  },
  {
    protection: 'while both lists count a quorum read asks both',
    rules: ['quorum-read'],
    directed: readWhileJoint,
    plant: () =>
      replace<[readonly string[]], boolean>(Quorum, 'isMetBy', (self, original, nodeIds) => {
        const quorum = as<{ lists: readonly (readonly string[])[] }>(self);
        quorum.lists = quorum.lists.slice(0, 1);
        return original(nodeIds);
      }),
  },
  {
    protection: 'who counts by a list that is over is refused',
    rules: ['quorum-read'],
    directed: writeByOldList,
    plant: () => {
      replace<[number, unknown], void>(InboundHandler, 'assertCounts', () => undefined);
      replace<[number, KvRecord, unknown], unknown>(
        Replica,
        'addOrUpdate',
        (_, original, partition, record) => original(partition, record, undefined),
      );
      replace<[number], number>(PartitionLists, 'barrierOf', () => 0);
    },
  },
  {
    protection: 'what is left of a partition is handed over before it is erased',
    rules: ['lost-write'],
    directed: leaveWithWrite,
    plant: () => replace<[number], Promise<boolean>>(LeftOver, 'handOver', () => Promise.resolve(true)),
  },
  {
    protection: 'who copies a partition takes its floor as well',
    rules: ['resurrection'],
    directed: returnWithDeleted,
    plant: () => replace<[number, string], Promise<void>>(AntiEntropy, 'adopt', () => Promise.resolve()),
  },
];
