/** Loaded before a node (`node --import`): its log's disk has no room while the file that `PLAYED_FULL_DISK` names is there. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { existsSync, write, writeSync } = fs;
const { statfs } = fs.promises;
const isFull = () => existsSync(process.env.PLAYED_FULL_DISK);
const noRoom = () =>
  Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    errno: -28,
    syscall: 'write',
  });

fs.writeSync = (...of) => {
  if (isFull()) {
    throw noRoom();
  }
  return writeSync(...of);
};
fs.write = (...of) => (isFull() ? process.nextTick(of.at(-1), noRoom()) : write(...of));
fs.promises.statfs = async (...of) => {
  const found = await statfs(...of);
  return isFull() ? { ...found, bavail: 0, bsize: found.bsize } : found;
};
syncBuiltinESMExports();
