/** `dkv completion`: prints what makes a shell complete the commands and options of `dkv`. */
import { Argument, type Command } from 'commander';
import { type CommandContext } from '../command-context.js';
import { commandTree } from './command-tree.js';
import { COMPLETION_SCRIPTS, type ShellName, SHELLS } from './completion-scripts.js';

const HELP = `
The script completes a command named dkv: install nestjs-dkv globally, or put node_modules/.bin into the PATH.

Examples, for the file that the shell reads when it starts:
  eval "$(dkv completion bash)"
  eval "$(dkv completion zsh)"
  dkv completion fish | source
`;

export function addCompletion(program: Command, { terminal }: CommandContext): void {
  program
    .command('completion')
    .description('Prints a script that completes commands and options in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: ShellName) => terminal.out(COMPLETION_SCRIPTS[shell](commandTree(program))));
}
