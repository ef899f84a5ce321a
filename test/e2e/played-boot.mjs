/**
 * Loaded before a node (`node --import`): the machine's boot is the one that `PLAYED_BOOT_ID` names, so that a test can play
 * a machine that went down: the process is killed, and the next one is told of another boot.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
const { readFile } = fs;

fs.readFile = (path, ...rest) =>
  path === BOOT_ID_FILE ? Promise.resolve(`${process.env.PLAYED_BOOT_ID}\n`) : readFile(path, ...rest);
syncBuiltinESMExports();
