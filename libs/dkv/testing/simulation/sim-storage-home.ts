/** Puts the real storage of a node on a simulated disk and a simulated folder: only the seam between the two is here. */
import { synced, written } from '../../src/storage/log/log-files.js';
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
  let mounted: SimFiles | undefined;
  const files = () => (mounted ??= new SimFiles(folder, run));
  return {
    where: home.where,
    openEngine: (identity) => home.open(identity),
    logFiles: async () => files(),
    machineBootId: async () => bootId(),
    keep: async (name, text) => {
      const file = await files().create(name);
      await written(file, Buffer.from(text), 0);
      await synced(file);
      await files().syncFolder();
      await file.close();
    },
    release: () => undefined,
  };
}
