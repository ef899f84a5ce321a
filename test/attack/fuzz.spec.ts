/** Requests that nobody should send, by the thousand, from a seed: none is a defect of the node, and its memory does not grow. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PEER_REQUEST_KINDS } from '../../libs/dkv/src/model/peer-protocol.js';
import { encodePeerRequest } from '../../libs/dkv/src/transport/messages/peer-codec.js';
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { sampleExchanges } from '../../libs/dkv/testing/transport/samples.js';
import { ADMIN_KEY, API_KEY, AttackedNode, routes } from './attacked-node.js';

/** `DKV_ATTACKS=1000000` looks longer. */
const ATTACKS = Number(process.env.DKV_ATTACKS ?? 20_000);
const SEED = Number(process.env.DKV_ATTACK_SEED ?? 20_261_130);
const AT_ONCE = 16;
const MUTATIONS_MAX = 4;
/** What may lie about until it is collected. */
const GROWTH_BYTES_MAX = 256 * 1024 * 1024;

const random = new SimRandom(SEED);
const upTo = (bound: number) => Math.floor(random.next() * bound);
const oneOf = <T>(list: readonly T[]): T => list[upTo(list.length)]!;

let node: AttackedNode;

beforeAll(async () => {
  node = await AttackedNode.start();
});

afterAll(() => node.stop());

/** Of everything that the port takes, with both keys, so that what is wrong comes as far as it can. */
function requests(): Buffer[] {
  const heads = `Host: x\r\nX-Api-Key: ${API_KEY}\r\nX-Admin-Key: ${ADMIN_KEY}\r\nX-Dkv-Format: 3\r\nX-Dkv-Node: b\r\n`;
  const whole = (method: string, path: string, type: string, body: Uint8Array) =>
    Buffer.concat([
      Buffer.from(
        `${method} ${path} HTTP/1.1\r\n${heads}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
      ),
      body,
    ]);
  const json = Buffer.from(
    JSON.stringify({
      key: 'k',
      value: 'AAAA',
      ttlMs: 5,
      ifVersion: 'absent',
      nodeId: 'b',
      zone: 'z',
      weight: 2,
      group: 1,
    }),
  );
  const small = Buffer.from('{"nodeId":"b","byNodeId":"c"}');
  const frame = Buffer.from([0, 0, 0, 9, 1, 1, 98, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1, 0]);
  return [
    ...routes()
      .filter(({ controller }) => controller !== 'peer')
      .flatMap(({ method, path }) => [
        whole(method, `${path}?namespace=presence&consistency=one`, 'application/json', json),
        whole(method, path, 'application/json', small),
      ]),
    ...sampleExchanges(100)
      .map(({ request }) => ({ kind: request.kind, body: encodePeerRequest(request) }))
      .filter(({ body, kind }) => body.length < 3_000 && PEER_REQUEST_KINDS.includes(kind))
      .map(({ kind, body }) => whole('POST', `/peer/${kind}`, 'application/octet-stream', body)),
    whole('POST', '/peer/post/live', 'application/octet-stream', frame),
    whole('GET', '/peer/stream', 'x', Buffer.of()),
  ];
}

function mutated(original: Buffer, other: Buffer): Buffer {
  let mutant = Buffer.from(original);
  // What stands in the body is reached more often than what is refused by the parser of HTTP.
  const start = random.next() < 0.7 ? original.indexOf('\r\n\r\n') : 0;
  for (let left = 1 + upTo(MUTATIONS_MAX); left > 0; left--) {
    const at = Math.min(start + upTo(mutant.length - start), mutant.length - 1);
    switch (upTo(6)) {
      case 0:
        mutant[at] = upTo(256);
        break;
      case 1:
        mutant[at]! ^= 1 << upTo(8);
        break;
      case 2:
        mutant = mutant.subarray(0, at + 1);
        break;
      case 3:
        mutant = Buffer.concat([mutant.subarray(0, at), other.subarray(upTo(other.length))]);
        break;
      case 4:
        mutant = Buffer.concat([
          mutant.subarray(0, at),
          Buffer.alloc(upTo(64), oneOf(['[', '{', '"', '\0', 'é'])),
          mutant.subarray(at),
        ]);
        break;
      default:
        mutant.copy(mutant, upTo(mutant.length), at);
    }
  }
  return mutant;
}

/** Everything that came back; the node is told that no more comes, so that it waits for nothing. */
async function answerTo(bytes: Buffer): Promise<string> {
  const socket = await node.connect();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = once(socket, 'close');
  socket.end(bytes);
  await closed;
  return Buffer.concat(chunks).toString('latin1');
}

it(
  `has an answer or a closed connection for each of ${ATTACKS} requests, of seed ${SEED}`,
  async () => {
    const sources = requests();
    expect(sources.length).toBeGreaterThan(40);
    const before = process.memoryUsage().rss;
    const statuses = new Map<string, number>();
    let left = ATTACKS;
    const attack = async () => {
      while (left-- > 0) {
        const bytes = mutated(oneOf(sources), oneOf(sources));
        const answer = await answerTo(bytes);
        const status = answer.slice(9, 12);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (answer.includes('"INTERNAL"')) {
          throw new Error(`A defect of the node, by ${JSON.stringify(bytes.toString('latin1'))}: ${answer}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, attack));
    expect(await node.serves()).toBe(true);
    expect(node.log.errors).toEqual([]);
    expect(process.memoryUsage().rss - before).toBeLessThan(GROWTH_BYTES_MAX);
    // Some came through, most were refused, and not all by the parser of HTTP.
    expect([...statuses.keys()]).toEqual(expect.arrayContaining(['200', '400', '404', '502']));
  },
  120_000 + 20 * ATTACKS,
);
