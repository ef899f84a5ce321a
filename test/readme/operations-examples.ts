/** The example of docs/operations.md, as it stands there: compiled and run by the tests. */
import { type DkvAdmin } from 'nestjs-dkv';

export async function operate(admin: DkvAdmin): Promise<void> {
  // prettier-ignore
  {
await admin.cluster(); // members, health, namespaces: as this node sees them, told at once
await admin.partitions(); // each Raft group: who leads it, who votes, how far each copy is
await admin.explain('default', 'user:7'); // where a key is, and what each of its nodes has of it
await admin.diagnose(); // this node: folder, disk, certificate, and the way to each other node
await admin.transferLeadership(12, 'node2'); // group 12 is led by node2 for ten minutes, if that is fit
  }
}
