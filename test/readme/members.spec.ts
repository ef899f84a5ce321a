/** The page of the members: its example does what it says, its routes are those that there are. */
import { RequestMethod } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type DkvAdmin } from 'nestjs-dkv';
import { expect, it } from 'vitest';
import { AdminController } from '../../libs/dkv/src/transport/rest/admin-controller.js';
import { administeredMembers } from '../../libs/dkv/testing/administered-members.js';
import { testNodes } from '../../libs/dkv/testing/test-nodes.js';
import { changeMembers } from './members-examples.js';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/members.md', import.meta.url)), 'utf8');

it('changes the members as it says', async () => {
  const nodeIds = ['node1', 'node2', 'node3'];
  const { admin, membership } = administeredMembers(nodeIds, testNodes('node4', 'node5'));
  await changeMembers(admin as unknown as DkvAdmin);
  const { members } = membership.configuration;
  expect(members.map(({ nodeId, isLeaving = false }) => [nodeId, isLeaving])).toEqual([
    ['node1', false],
    ['node2', false],
    ['node3', true],
    ['node4', false],
    ['node5', false],
  ]);
  expect(members[3]).toMatchObject({ weight: 2, zone: 'eu-1b' });
  expect(membership.configuration.classes).toEqual([{ number: 0, replicas: 2 }]);
});

it('shows the lines that the log has', async () => {
  const { admin, log } = administeredMembers(['node1', 'node2'], []);
  await admin.decommission('node2');
  await expect(admin.decommission('node1')).rejects.toThrow();
  const lines = [...PAGE.matchAll(/^ {4}(Members, .*)$/gm)].map(([, line]) =>
    line!.replace('epoch 12', 'epoch 2').replace('the admin port', 'the API'),
  );
  expect(lines).toEqual([...log.lines, ...log.warnings]);
});

it('lists every route of the members, and how it is asked', () => {
  const others = ['cluster', 'partitions', 'explain', 'diagnosis', 'transfer-leadership'];
  const routes = Object.getOwnPropertyNames(AdminController.prototype)
    .filter((name) => name !== 'constructor')
    .map((name) => {
      const route = Object.getOwnPropertyDescriptor(AdminController.prototype, name)!.value as object;
      const method = Reflect.getMetadata('method', route) as RequestMethod;
      return [RequestMethod[method], Reflect.getMetadata('path', route) as string] as const;
    })
    .filter(([, path]) => !others.includes(path))
    .map(([method, path]) => `${method} /admin/${path}`);
  const told = [...PAGE.matchAll(/^\| `((?:GET|POST) \/admin\/[a-z-]+)`/gm)].map(([, route]) => route);
  expect(told.sort()).toEqual(routes.sort());
});
