/** Links as the kernel's: each node in a network namespace of its own, on one bridge; Linux and root only. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { type LinkFault, type Links, type Place } from './links.js';

const run = promisify(execFile);
const HTTP_PORT = 3000;
const PEER_PORT = 7000;
/** Asks for a connection across a link: a refusal comes from the other side, so the way there and back is open. */
const KNOCK = `require('net').connect(9, process.argv[1]).on('error', (e) => process.exit(e.code === 'ECONNREFUSED' ? 0 : 1));
setTimeout(() => process.exit(1), 3000)`;

/** Of this process: the kernel takes a while to let go of what an earlier one had. */
let opened = 0;

export class NetnsLinks implements Links {
  readonly name = 'netns';
  readonly faults: readonly LinkFault[] = ['cut'];
  readonly places: readonly Place[];
  /** No longer than 15 characters with what is put behind it: the names of links. */
  private readonly bridge = `dkv${process.pid % 1_000_000}${String.fromCharCode(97 + (opened++ % 26))}`;
  private readonly network = `10.231.${(process.pid + opened) % 250}`;

  private constructor(private readonly ids: readonly string[]) {
    const nodes = ids.map((id, index) => `${id}=${this.addressOf(index)}:${PEER_PORT}`).join(',');
    this.places = ids.map((_, index) => ({
      host: this.addressOf(index),
      port: HTTP_PORT,
      bind: this.addressOf(index),
      nodes,
      wrapper: ['ip', 'netns', 'exec', this.spaceOf(index)],
    }));
  }

  /** @throws Error when this machine or this user cannot have them; nothing is left behind. */
  static async open(ids: readonly string[]): Promise<NetnsLinks> {
    const links = new NetnsLinks(ids);
    try {
      await links.build();
      return links;
    } catch (error) {
      await links.dispose();
      throw error;
    }
  }

  /** What the one sends to the other vanishes, answers and acknowledgements too. */
  async apply(from: number, to: number): Promise<void> {
    await ip('-n', this.spaceOf(from), 'route', 'replace', 'blackhole', `${this.addressOf(to)}/32`);
  }

  async heal(from: number, to: number): Promise<void> {
    await ip('-n', this.spaceOf(from), 'route', 'del', 'blackhole', `${this.addressOf(to)}/32`).catch(
      () => undefined,
    );
  }

  async dispose(): Promise<void> {
    this.abandon();
  }

  abandon(): void {
    for (const index of this.ids.keys()) {
      spawnSync('ip', ['netns', 'del', this.spaceOf(index)]);
    }
    spawnSync('ip', ['link', 'del', this.bridge]);
  }

  private async build(): Promise<void> {
    const { bridge } = this;
    await ip('link', 'add', bridge, 'type', 'bridge');
    await ip('addr', 'add', `${this.network}.254/24`, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    for (const index of this.ids.keys()) {
      const space = this.spaceOf(index);
      const cable = `${bridge}v${index}`;
      await ip('netns', 'add', space);
      await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
      await ip('link', 'set', cable, 'master', bridge, 'up');
      await ip('-n', space, 'addr', 'add', `${this.addressOf(index)}/24`, 'dev', 'eth0');
      await ip('-n', space, 'link', 'set', 'eth0', 'up');
      await ip('-n', space, 'link', 'set', 'lo', 'up');
    }
    const [space, other] = [this.spaceOf(0), this.addressOf(1)];
    await run('ip', ['netns', 'exec', space, process.execPath, '-e', KNOCK, other]);
    await run(process.execPath, ['-e', KNOCK, other]);
  }

  private addressOf(index: number): string {
    return `${this.network}.${index + 1}`;
  }

  private spaceOf(index: number): string {
    return `${this.bridge}-${index + 1}`;
  }
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}
