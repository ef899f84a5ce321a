/**
 * `node scripts/attached-process.mjs <command> <argument>…`: runs a command that ends with the process that started this one over a
 * channel, however that ended.
 */
import { spawn } from 'node:child_process';

const [, , command, ...args] = process.argv;
const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
child.once('error', (error) => {
  process.stderr.write(`${command} cannot be started: ${error.message}\n`);
  process.exit(1);
});
child.once('exit', (code) => process.exit(code ?? 1));
const end = () => child.kill('SIGTERM');
process.once('SIGTERM', end);
process.once('disconnect', end);
