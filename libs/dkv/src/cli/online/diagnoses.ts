/** What every member says of itself: each is asked at its own address, a few at a time. */
import { type MemberReport, type NodeDiagnosis } from '../../model/cluster-report.js';
import { CommandFailure } from '../command-failure.js';
import { EXIT } from '../exit-codes.js';
import { diagnosisAt } from './admin-routes.js';
import { type ClusterClient } from './cluster-client.js';

/** Each of them asks all its peers before it answers. */
const ASKED_AT_ONCE_MAX = 8;

export interface Diagnosed {
  readonly member: MemberReport;
  /** Undefined where it could not be asked. */
  readonly diagnosis: NodeDiagnosis | undefined;
  /** Why not. */
  readonly error: string | undefined;
}

/** In the order of the members. Never rejects for what a node says or does not say. */
export async function diagnosesOf(
  client: ClusterClient,
  members: readonly MemberReport[],
): Promise<readonly Diagnosed[]> {
  const diagnosed: Diagnosed[] = [];
  const waiting = members.entries();
  const asker = async () => {
    for (const [at, member] of waiting) {
      diagnosed[at] = await diagnose(client, member);
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE_MAX }, asker));
  return diagnosed;
}

async function diagnose(client: ClusterClient, member: MemberReport): Promise<Diagnosed> {
  try {
    const diagnosis = await diagnosisAt(client, member);
    if (diagnosis.nodeId !== member.nodeId) {
      throw new CommandFailure(EXIT.failed, `node ${diagnosis.nodeId} answers at that address`);
    }
    return { member, diagnosis, error: undefined };
  } catch (error) {
    if (error instanceof CommandFailure) {
      return { member, diagnosis: undefined, error: error.message };
    }
    throw error;
  }
}
