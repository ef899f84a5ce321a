/** The bytes of a configuration, as they stand in a log entry: read by nodes of later versions, too. */
import { Buffer } from 'node:buffer';
import { type Configuration, type MemberId } from '../model/raft-messages.js';
import { asBuffer } from '../model/byte-reader.js';

/**
 * Format 1: the format number, then voters, outgoing voters and learners, each a list: the number of members (one byte),
 * then each member as the length of its UTF-8 (two bytes, big endian) and its UTF-8.
 */
export const CONFIGURATION_FORMAT = 1;

const MEMBERS_MAX = 255;
const MEMBER_BYTES_MAX = 0xffff;

/** @throws TypeError for more than 255 members in a list, or an empty or too long member id. */
export function encodeConfiguration({ voters, outgoing, learners }: Configuration): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(CONFIGURATION_FORMAT)];
  for (const members of [voters, outgoing, learners]) {
    if (members.length > MEMBERS_MAX) {
      throw new TypeError(`A configuration lists ${members.length} members, more than ${MEMBERS_MAX}.`);
    }
    parts.push(Uint8Array.of(members.length));
    for (const member of members) {
      const text = Buffer.from(member, 'utf8');
      if (text.length === 0 || text.length > MEMBER_BYTES_MAX) {
        throw new TypeError(
          `A member id has ${text.length} bytes: between 1 and ${MEMBER_BYTES_MAX} are allowed.`,
        );
      }
      parts.push(Uint8Array.of(text.length >>> 8, text.length & 0xff), text);
    }
  }
  return Buffer.concat(parts);
}

/** @throws TypeError for what {@link encodeConfiguration} did not make: a group must stop at it, never skip it. */
export function decodeConfiguration(data: Uint8Array): Configuration {
  const bytes = asBuffer(data);
  if (bytes[0] !== CONFIGURATION_FORMAT) {
    throw new TypeError(
      `A configuration has format ${bytes[0]}: this version reads ${CONFIGURATION_FORMAT}.`,
    );
  }
  let at = 1;
  const members = (): MemberId[] => {
    const count = bytes[at++];
    const list: MemberId[] = [];
    for (let left = count ?? 0; left > 0; left--) {
      const end = at + 2 < bytes.length ? at + 2 + bytes.readUInt16BE(at) : Infinity;
      if (end > bytes.length) {
        break;
      }
      list.push(bytes.toString('utf8', at + 2, end));
      at = end;
    }
    if (list.length !== count) {
      throw new TypeError('A configuration ends too early.');
    }
    return list;
  };
  const configuration = { voters: members(), outgoing: members(), learners: members() };
  if (at !== bytes.length) {
    throw new TypeError(`A configuration has ${bytes.length - at} bytes too many.`);
  }
  return configuration;
}
