/** A disk without room, in eventual mode: values are refused, deletes go on in the room of the reserve (rule 6). */
import { expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';

it('refuses values and takes deletes, and all again once there is room', async () => {
  const cluster = createTestCluster(1, { replicas: 0, partitions: 4, storage: { reserveBytes: 40_000 } });
  await cluster.start();
  await cluster.advance(1_000);
  for (let number = 0; number < 10; number++) {
    await cluster.put('a', `k${number}`, 'v'.repeat(200));
  }
  const { folder } = cluster.node('a');
  folder.setFaults({ capacityBytes: folder.bytes + 1_000 });
  for (let number = 0; number < 20; number++) {
    await cluster.put('a', `filling ${number}`, 'v'.repeat(200)).catch(() => undefined);
  }
  await cluster.advance(3_000);
  const put = () => cluster.put('a', 'k0', 'after');
  await expect(put()).rejects.toMatchObject({ code: 'DKV_READ_ONLY' });
  expect(await cluster.remove('a', 'k0')).toBe(true);
  expect(await cluster.get('a', 'k0')).toBeUndefined();
  folder.heal();
  await cluster.advance(3_000);
  await put();
  expect(await cluster.get('a', 'k0')).toBe('after');
});
