/** The example of docs/members.md, as it stands there: compiled and run by the tests. */
import { type DkvAdmin } from 'nestjs-dkv';

export async function changeMembers(admin: DkvAdmin): Promise<void> {
  // prettier-ignore
  {
await admin.cluster(); // `members`: who stays or leaves, copies held and to be held; `candidates`: who waits to join
await admin.admit('node4'); // takes a candidate in
await admin.setWeight('node4', 2); // twice the share of a node of weight 1
await admin.setZone('node4', 'eu-1b'); // copies of a partition go to distinct zones first
await admin.setReplicas(2); // a key is on three nodes; for a namespace that asked for a number: setReplicas(2, 'cache')
await admin.decommission('node2'); // gives all its copies away; without a name, this node does
await admin.keep('node2'); // it stays after all
await admin.setPreferredZones(['eu-1a']); // nodes of these zones lead, the best first
await admin.replace('node3', 'node5'); // node3 leaves, and the candidate node5 takes what it gives away
await admin.moves(); // { epoch, isSettled, copies, moving, waiting, progress, members }
  }
}
