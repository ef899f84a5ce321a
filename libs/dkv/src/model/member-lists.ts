/** The bytes of lists of members, as messages and checkpoints have them. */
import { type ByteReader } from './byte-reader.js';
import { type ByteWriter } from './byte-writer.js';
import { type Configuration, type MemberId } from './raft-messages.js';

/** Of a member's name. */
export const MEMBER_BYTES_MAX = 200;

export function writeMembers(to: ByteWriter, members: readonly MemberId[]): void {
  to.count(members.length);
  members.forEach((member) => to.text(member));
}

/** @throws DkvError `DKV_PROTOCOL`, also for more than `max` members */
export function readMembers(from: ByteReader, max: number): MemberId[] {
  const members: MemberId[] = [];
  for (let left = from.elements(max); left > 0; left--) {
    members.push(from.text(MEMBER_BYTES_MAX));
  }
  return members;
}

export function writeConfiguration(to: ByteWriter, configuration: Configuration): void {
  const { voters, outgoing, learners, epoch = 0 } = configuration;
  writeMembers(to, voters);
  writeMembers(to, outgoing);
  writeMembers(to, learners);
  to.count(epoch);
}

/** @throws DkvError `DKV_PROTOCOL`, also for more than `max` members in one of the lists */
export function readConfiguration(from: ByteReader, max: number): Configuration {
  const configuration = {
    voters: readMembers(from, max),
    outgoing: readMembers(from, max),
    learners: readMembers(from, max),
  };
  const epoch = from.count();
  return epoch === 0 ? configuration : { ...configuration, epoch };
}
