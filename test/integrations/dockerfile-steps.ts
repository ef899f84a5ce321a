/** Plays the steps of a Dockerfile in folders, where there is no engine that could build an image: COPY, RUN, ENV and their like. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, posix, relative } from 'node:path';

interface Stage {
  /** Stands for `/`. */
  readonly root: string;
  folder: string;
  readonly env: Record<string, string>;
}

/** As a base image has it: Node.js and a shell. */
const BASE_PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;

export interface PlayedImage {
  /** Stands for `/`. */
  readonly root: string;
  /** WORKDIR in there. */
  readonly folder: string;
  /** Of ENV, paths as they are in `root`. */
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly command: readonly string[];
  readonly ports: readonly number[];
}

interface Instruction {
  readonly name: string;
  readonly text: string;
}

export function instructionsIn(dockerfile: string): Instruction[] {
  return readFileSync(dockerfile, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, text] = /^([A-Z]+) (.+)$/.exec(line)!;
      return { name: name!, text: text! };
    });
}

/**
 * The last stage. Commands run as this user, with this machine's Node.js instead of the base image's; `/data` and `/app` are those below `root`.
 * @param context what is copied from, but for what `<dockerfile>.dockerignore` names
 * @throws Error for an instruction that it does not know, and where a command fails
 */
export function playDockerfile(dockerfile: string, context: string, folder: string): PlayedImage {
  const ignored = readFileSync(`${dockerfile}.dockerignore`, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(patternOf);
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  let [user, command, ports]: [string, string[], number[]] = ['root', [], []];
  const within = (at: Stage, path: string) => join(at.root, posix.resolve(at.folder, path));

  for (const { name, text } of instructionsIn(dockerfile)) {
    if (name === 'ARG') {
      continue;
    }
    if (name === 'FROM') {
      const [, alias = 'last'] = /^\$\{NODE_IMAGE\}(?: AS (\w+))?$/.exec(text)!;
      stage = { root: join(folder, alias), folder: '/', env: {} };
      mkdirSync(stage.root);
      stages.set(alias, stage);
      continue;
    }
    const at = stage!;
    if (name === 'WORKDIR') {
      at.folder = text;
      mkdirSync(join(at.root, text), { recursive: true });
    } else if (name === 'COPY') {
      copy(text, at);
    } else if (name === 'RUN') {
      run(text, at);
    } else if (name === 'ENV') {
      for (const [, variable, value] of text.matchAll(/(\w+)=(\S+)/g)) {
        at.env[variable!] = value!.replaceAll(/(^|:)\//g, `$1${at.root}/`).replace('$PATH', BASE_PATH);
      }
    } else if (name === 'USER') {
      user = text;
    } else if (name === 'EXPOSE') {
      ports = text.split(' ').map(Number);
    } else if (name === 'CMD') {
      command = JSON.parse(text) as string[];
    } else {
      throw new Error(`It is not known what ${name} does.`);
    }
  }
  const last = stage!;
  return { root: last.root, folder: join(last.root, last.folder), env: last.env, user, command, ports };

  function copy(text: string, at: Stage): void {
    const [, from, paths] = /^(?:--from=(\w+) )?(.+)$/.exec(text)!;
    const words = paths!.split(' ');
    const target = words.pop()!;
    const source = from === undefined ? undefined : stages.get(from)!;
    for (const word of words) {
      const path = source ? within(source, word) : join(context, word);
      // A folder gives what it holds, a file itself.
      const isWhole = statSync(path).isDirectory() || !target.endsWith('/');
      cpSync(path, isWhole ? within(at, target) : join(within(at, target), basename(word)), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (each) =>
          source !== undefined || !ignored.some((pattern) => pattern.test(relative(context, each))),
      });
    }
  }

  function run(text: string, at: Stage): void {
    const inRoot = text.replaceAll(/ \/(data|app)\b/g, ` ${at.root}/$1`);
    // npm's cache makes it a matter of seconds, the second time.
    const env = { PATH: BASE_PATH, HOME: process.env.HOME, npm_config_prefer_offline: 'true' };
    execFileSync('sh', ['-ec', inRoot], {
      cwd: join(at.root, at.folder),
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

/** Of a line of a .dockerignore: `*` within a folder, and `**` + `/` for any folders or none. */
function patternOf(line: string): RegExp {
  const folders = line.split('/').map((part) => part.replaceAll('.', '\\.').replaceAll('*', '[^/]*'));
  return new RegExp(`^${folders.join('/').replaceAll('[^/]*[^/]*/', '(.*/)?')}$`);
}
