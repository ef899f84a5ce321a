/** The commands of a program with what may stand behind them, as shells are told of it. */
import { type Command } from 'commander';

/** What completes the value of an option: one of some words, a path, or nothing that is known here. */
export type ValueKind = { readonly words: readonly string[] } | 'path' | 'any';

export interface OptionEntry {
  /** `--help` and, where there is one, `-h`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined for an option without a value. */
  readonly value: ValueKind | undefined;
}

export interface CommandEntry {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionEntry[];
  /** Words that its arguments may be. */
  readonly words: readonly string[];
}

/** Those that the help shows, in its order. */
export function commandTree(program: Command): readonly CommandEntry[] {
  const help = program.createHelp();
  const commands = help.visibleCommands(program);
  const names = commands.map((command) => command.name());
  return commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.long, option.short].filter((flag) => flag !== undefined && flag !== null),
      description: option.description,
      value: option.required || option.optional ? valueKindOf(option) : undefined,
    })),
    words: isHelp(command, program)
      ? names
      : command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  }));
}

function valueKindOf({ argChoices, flags }: { argChoices?: readonly string[]; flags: string }): ValueKind {
  if (argChoices) {
    return { words: argChoices };
  }
  return /<(file|folder)>/.test(flags) ? 'path' : 'any';
}

/** Commander's own command takes the name of another one. */
function isHelp(command: Command, program: Command): boolean {
  return !program.commands.includes(command);
}
