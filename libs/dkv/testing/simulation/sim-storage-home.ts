/** Puts the real storage of a node on a simulated disk and a simulated folder: only the seam between the two is here. */
import { type StorageHome } from '../../src/storage/node-storage.js';
import { type Incarnation } from './incarnation.js';
import { type SimDisk } from './sim-disk.js';
import { SimFiles } from './sim-files.js';
import { type SimFolder } from './sim-folder.js';
import { simHome } from './sim-store-engine.js';

/** The disk and the folder as one process run of the node sees them. `bootId` names the boot of its machine. */
export function simStorageHome(
  disk: SimDisk,
  folder: SimFolder,
  run: Incarnation,
  bootId: () => string,
): StorageHome {
  const home = simHome(disk, run);
  return {
    where: home.where,
    openEngine: (identity) => home.open(identity),
    logFiles: async () => new SimFiles(folder, run),
    machineBootId: async () => bootId(),
    release: () => undefined,
  };
}
