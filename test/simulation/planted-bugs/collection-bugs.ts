/** Protections of the collection of tombstones, each taken away on purpose. */
import { EngineLocalKvRepo } from '../../../libs/dkv/src/storage/eventual/engine-local-kv-repo.js';
import { FloorStore } from '../../../libs/dkv/src/storage/eventual/floor-store.js';
import { type Version } from '../../../libs/dkv/src/model/version.js';
import { TombstoneCollection } from '../../../libs/dkv/src/eventual/repair/tombstone-collection.js';
import { type PlantedBug, replace } from './plant.js';

const BACK_OR_APART = [
  'resurrection',
  'divergence',
  'lost-write',
  'linearizability',
  'phantom',
  'quorum-read',
];

export const COLLECTED_EARLY: PlantedBug = {
  protection: 'a tombstone is collected only when all nodes of the list hold it',
  rules: BACK_OR_APART,
  plant: () => {
    replace<[number], boolean>(TombstoneCollection, 'mayPropose', () => true);
    replace<[unknown], Promise<readonly string[]>>(TombstoneCollection, 'askOthers', async () => []);
  },
};

export const FLOOR_MISSING: PlantedBug = {
  protection: 'nothing at or below the floor comes in',
  rules: BACK_OR_APART,
  plant: () => {
    replace<[number], Version>(EngineLocalKvRepo, 'floorOf', () => '');
    replace<[number], Version>(FloorStore, 'fenceOf', () => '');
  },
};
