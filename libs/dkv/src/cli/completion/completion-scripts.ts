/** Scripts that complete `dkv` in a shell, made of the commands that there are. */
import { type CommandEntry, type OptionEntry, type ValueKind } from './command-tree.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type ShellName = (typeof SHELLS)[number];

export const COMPLETION_SCRIPTS: Record<ShellName, (tree: readonly CommandEntry[]) => string> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Of the oldest bash in use, 3.2. */
function bashScript(tree: readonly CommandEntry[]): string {
  const words = (list: readonly string[]) =>
    `COMPREPLY=($(compgen -W ${quoted(list.join('\n'))} -- "$word"))`;
  const valueOf = (kind: ValueKind) => {
    switch (kind) {
      case 'path':
        return 'COMPREPLY=($(compgen -f -- "$word"))';
      case 'any':
        return ':';
      default:
        return words(kind.words);
    }
  };
  const commands = tree.map(({ name, options, words: own }) => {
    const all = [...own, ...options.flatMap(({ flags }) => flags)];
    return `    ${name}) ${words(all)} ;;`;
  });
  return `# Completion of dkv in bash: eval "$(dkv completion bash)"
_dkv() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" IFS=$'\\n'
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    ${words(tree.map(({ name }) => name))}
    return
  fi
  case "\${COMP_WORDS[1]} $before" in
${valueCases(tree, valueOf)}
  esac
  case "\${COMP_WORDS[1]}" in
${commands.join('\n')}
  esac
}
complete -F _dkv dkv
`;
}

function zshScript(tree: readonly CommandEntry[]): string {
  const valueOf = (kind: ValueKind) => {
    switch (kind) {
      case 'path':
        return '_files';
      case 'any':
        return '_message value';
      default:
        return `compadd -- ${kind.words.map(quoted).join(' ')}`;
    }
  };
  const described = (entries: readonly (readonly [string, string])[]) =>
    entries.map(([name, description]) => quoted(`${name.replaceAll(':', '\\:')}:${description}`)).join(' ');
  const commands = tree.map(({ name, options, words }) => {
    const flags = options.flatMap(({ flags: all, description }) =>
      all.map((flag) => [flag, description] as const),
    );
    const own = words.length > 0 ? `compadd -- ${words.map(quoted).join(' ')}; ` : '';
    return `    ${name}) ${own}all=(${described(flags)}); _describe option all ;;`;
  });
  return `#compdef dkv
# Completion of dkv in zsh, after compinit: eval "$(dkv completion zsh)"
_dkv() {
  local -a all
  if (( CURRENT == 2 )); then
    all=(${described(tree.map(({ name, description }) => [name, description] as const))})
    _describe command all
    return
  fi
  case "$words[2] $words[CURRENT-1]" in
${valueCases(tree, valueOf)}
  esac
  case "$words[2]" in
${commands.join('\n')}
  esac
}
compdef _dkv dkv
`;
}

function fishScript(tree: readonly CommandEntry[]): string {
  const text = (given: string) => `'${given.replace(/[\\']/g, '\\$&')}'`;
  const lines = [
    '# Completion of dkv in fish: dkv completion fish | source',
    'complete -c dkv -f',
    ...tree.map(
      ({ name, description }) =>
        `complete -c dkv -n __fish_use_subcommand -a ${text(name)} -d ${text(description)}`,
    ),
  ];
  for (const { name, options, words } of tree) {
    const begin = `complete -c dkv -n ${text(`__fish_seen_subcommand_from ${name}`)}`;
    lines.push(...options.map((option) => `${begin}${fishFlags(option)} -d ${text(option.description)}`));
    if (words.length > 0) {
      lines.push(`${begin} -a ${text(words.join(' '))}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function fishFlags({ flags, value }: OptionEntry): string {
  const named = flags
    .map((flag) => (flag.startsWith('--') ? ` -l ${flag.slice(2)}` : ` -s ${flag.slice(1)}`))
    .join('');
  if (value === undefined || value === 'any') {
    return value === undefined ? named : `${named} -x`;
  }
  return value === 'path' ? `${named} -r -F` : `${named} -x -a '${value.words.join(' ')}'`;
}

/** Branches of `case` for the options with a value, by command: what stands behind one is completed, and nothing else. */
function valueCases(tree: readonly CommandEntry[], valueOf: (kind: ValueKind) => string): string {
  const patterns = new Map<string, string[]>();
  for (const { name, options } of tree) {
    for (const { flags, value } of options) {
      if (value !== undefined) {
        const action = valueOf(value);
        const own = flags.map((flag) => `'${name} ${flag}'`);
        patterns.set(action, [...(patterns.get(action) ?? []), ...own]);
      }
    }
  }
  return [...patterns].map(([action, own]) => `    ${own.join('|')}) ${action}; return ;;`).join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
