/** Whether the copies of a partition are in order: each moves forward only, and in the end all are the same. */
import { idOf } from '../../../src/model/key.js';
import { checksumOf, headerOf, type KvRecord, type RecordHeader } from '../../../src/model/record.js';
import { type Version } from '../../../src/model/version.js';
import { type BucketDigest, type LocalKvRepo } from '../../../src/ports/local-kv-repo.js';
import { type Finding, type FindingRule } from './finding.js';

/** What one node holds of a partition. */
export interface ReplicaContent {
  readonly replica: string;
  readonly records: readonly KvRecord[];
}

/** Reads all that `repo` holds of a partition, tombstones included. Await it through the scheduler. */
export async function readReplica(
  replica: string,
  repo: LocalKvRepo,
  partition: number,
): Promise<ReplicaContent> {
  const records: KvRecord[] = [];
  for await (const { namespace, key } of repo.getAllNoValue({ partition })) {
    const record = await repo.get({ partition, namespace, key });
    if (record !== undefined) {
      records.push(record);
    }
  }
  return { replica, records };
}

/** All replicas hold the same records, byte for byte, tombstones included, and each matches its checksum. */
export function checkConvergence(contents: readonly ReplicaContent[]): readonly Finding[] {
  const findings: Finding[] = [];
  const held = contents.map(({ records }) => new Map(records.map((record) => [idOf(record), record])));
  for (const id of new Set(held.flatMap((records) => [...records.keys()]))) {
    const key = id.slice(id.indexOf('\0') + 1);
    const texts = held.map((records) => describeRecord(records.get(id)));
    if (new Set(texts).size > 1) {
      const sides = contents.map(({ replica }, index) => `${replica} has ${texts[index]}`).join('; ');
      findings.push(finding('divergence', key, `the replicas differ: ${sides}`));
    }
    contents.forEach(({ replica }, index) => {
      const record = held[index]!.get(id);
      if (record !== undefined && checksumOf(record) !== record.checksum) {
        findings.push(finding('divergence', key, `the record at ${replica} does not match its checksum`));
      }
    });
  }
  return findings;
}

/** A tree equals the one that `recompute` makes of the records. */
export function checkTree(
  { replica, records }: ReplicaContent,
  digests: readonly BucketDigest[],
  recompute: (headers: readonly RecordHeader[]) => readonly BucketDigest[],
): readonly Finding[] {
  const expected = recompute(records.map(headerOf));
  const length = Math.max(digests.length, expected.length);
  return Array.from({ length }, (_, bucket) => bucket)
    .filter((bucket) => digests[bucket] !== expected[bucket])
    .map((bucket) => {
      const sides = `it is ${digests[bucket]}, its records give ${expected[bucket]}`;
      return finding('tree', '', `the tree of ${replica} is wrong in bucket ${bucket}: ${sides}`);
    });
}

/**
 * Watches what replicas hold while they work: call {@link VersionWatch.observe} with every record stored, or with
 * samples. Versions of a key on a replica never go down, and one version means one content, everywhere.
 */
export class VersionWatch {
  readonly findings: Finding[] = [];
  private readonly latest = new Map<string, Map<string, Version>>();
  private readonly contents = new Map<string, { readonly text: string; readonly replica: string }>();

  observe(replica: string, header: RecordHeader): void {
    const id = idOf(header);
    const { key, version } = header;
    const versions = this.latest.get(replica) ?? new Map<string, Version>();
    this.latest.set(replica, versions);
    const before = versions.get(id);
    if (before !== undefined && version < before) {
      this.findings.push(
        finding('monotone-version', key, `${replica} went from ${before} back to ${version}`),
      );
    }
    versions.set(id, version);
    const text = describeHeader(header);
    const known = this.contents.get(`${id}\0${version}`);
    if (known === undefined) {
      this.contents.set(`${id}\0${version}`, { text, replica });
    } else if (known.text !== text) {
      const message = `${known.replica} held ${known.text}, ${replica} holds ${text}`;
      this.findings.push(finding('restamp', key, message));
    }
  }

  /** The replica lost its disk, or the unsynced end of it: it may begin again from lower versions. */
  forget(replica: string): void {
    this.latest.delete(replica);
  }
}

function describeHeader({ version, tombstone, expiresAtMs, checksum }: RecordHeader): string {
  return `${version}${tombstone ? ' tombstone' : ''} expiring ${expiresAtMs} sum ${checksum}`;
}

function describeRecord(record: KvRecord | undefined): string {
  return record === undefined
    ? 'none'
    : `${describeHeader(record)} bytes ${Buffer.from(record.value).toString('base64')}`;
}

function finding(rule: FindingRule, key: string, message: string): Finding {
  return { rule, key, message, operations: [] };
}
