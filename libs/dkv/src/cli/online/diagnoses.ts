/** What every member says of itself: each is asked at the address that the cluster knows it by, a few at a time. */
import { type ClusterReport, type MemberReport, type NodeDiagnosis } from '../../model/cluster-report.js';
import { CommandFailure } from '../command-failure.js';
import { EXIT } from '../exit-codes.js';
import { diagnosisAt, diagnosisOfFirst } from './admin-routes.js';
import { type ClusterClient } from './cluster-client.js';

/** Each of them asks all its peers before it answers. */
const ASKED_AT_ONCE_MAX = 8;

export interface Diagnosed {
  readonly member: MemberReport;
  /** Undefined where it could not be asked. */
  readonly diagnosis: NodeDiagnosis | undefined;
  /** Why not, in one line. */
  readonly error: string | undefined;
}

/** In the order of the members. A node that does not answer, or not as it should, is no error here. */
export async function diagnosesOf(
  client: ClusterClient,
  { members, answeredBy }: ClusterReport,
): Promise<readonly Diagnosed[]> {
  const diagnosed: Diagnosed[] = [];
  const waiting = members.entries();
  const asker = async () => {
    for (const [at, member] of waiting) {
      diagnosed[at] = await diagnose(client, member, member.nodeId === answeredBy);
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE_MAX }, asker));
  return diagnosed;
}

async function diagnose(
  client: ClusterClient,
  member: MemberReport,
  hasAnswered: boolean,
): Promise<Diagnosed> {
  try {
    const diagnosis = await diagnosisOf(client, member, hasAnswered);
    if (diagnosis.nodeId !== member.nodeId) {
      throw new CommandFailure(EXIT.failed, `node ${diagnosis.nodeId} answers at that address`);
    }
    return { member, diagnosis, error: undefined };
  } catch (error) {
    if (error instanceof CommandFailure) {
      return { member, diagnosis: undefined, error: error.message.replace(/\s*\n\s*/g, ' ') };
    }
    throw error;
  }
}

/** Who answered before may be reached by another address than the others know, as by a forwarded port. */
async function diagnosisOf(
  client: ClusterClient,
  member: MemberReport,
  hasAnswered: boolean,
): Promise<NodeDiagnosis> {
  const first = hasAnswered ? await diagnosisOfFirst(client) : undefined;
  return first?.nodeId === member.nodeId ? first : diagnosisAt(client, member);
}
