/** `dkv` as a shell runs it, with all that it prints. */
import { type CommandContext } from '../../src/cli/command-context.js';
import { runDkv } from '../../src/cli/dkv-program.js';
import { type Terminal } from '../../src/cli/terminal.js';

export interface ShellOptions
  extends Partial<Pick<Terminal, 'screen' | 'env'>>, Partial<Pick<CommandContext, 'clock'>> {
  /** To whatever is asked; without it nobody is there to be asked. */
  readonly answer?: string;
  /** What is piped in. */
  readonly input?: string | Uint8Array;
}

export interface ShellResult {
  readonly code: number;
  readonly out: string;
  readonly error: string;
  /** Of `out`. */
  readonly bytes: Uint8Array;
}

/** Without an environment and without a screen, unless they are given. */
export async function runShell(
  args: readonly string[],
  { answer, input, screen, env = {}, clock }: ShellOptions = {},
): Promise<ShellResult> {
  const out: Uint8Array[] = [];
  let error = '';
  const terminal: Terminal = {
    out: (data) => void out.push(Buffer.from(data as Uint8Array)),
    error: (text) => void (error += text),
    ask: answer === undefined ? undefined : async () => answer,
    screen,
    async *input() {
      if (input !== undefined) {
        yield Buffer.from(input as Uint8Array);
      }
    },
    env,
  };
  const code = await runDkv(args, terminal, clock);
  const bytes = Buffer.concat(out);
  return { code, out: bytes.toString(), error, bytes };
}
