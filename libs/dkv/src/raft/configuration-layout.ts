/** The bytes of a configuration, as they stand in a log entry: read by nodes of later versions, too. */
import { DkvError } from '../dkv.errors.js';
import { asBuffer, ByteReader } from '../model/byte-reader.js';
import { ByteWriter } from '../model/byte-writer.js';
import { readConfiguration, writeConfiguration } from '../model/member-lists.js';
import { type Configuration } from '../model/raft-messages.js';

/** The first byte. */
export const CONFIGURATION_FORMAT = 1;

const MEMBERS_MAX = 255;
const writer = new ByteWriter();

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  writer.begin(0);
  writer.byte(CONFIGURATION_FORMAT);
  writeConfiguration(writer, configuration);
  return writer.take(0);
}

/** @throws DkvError `DKV_PROTOCOL` for what {@link encodeConfiguration} did not make: a group must stop at it, never skip it. */
export function decodeConfiguration(data: Uint8Array): Configuration {
  const reader = new ByteReader(asBuffer(data));
  const format = reader.byte();
  if (format !== CONFIGURATION_FORMAT) {
    throw new DkvError(
      'DKV_PROTOCOL',
      `A configuration has format ${format}: this version reads ${CONFIGURATION_FORMAT}.`,
    );
  }
  const configuration = readConfiguration(reader, MEMBERS_MAX);
  reader.assertEnd();
  return configuration;
}
