/** The example of docs/tls.md works when run; its commands are tried by the integrations. */
import { Test } from '@nestjs/testing';
import { afterEach, expect, it, vi } from 'vitest';
import { tls } from './tls-examples.js';

afterEach(() => vi.unstubAllEnvs());

it('takes the paths of certificates, and says which file is not there', async () => {
  vi.stubEnv('POD_NAME', 'node1');
  vi.stubEnv('DKV_NODES', 'node1=127.0.0.1:7001,node2=127.0.0.1:7002');
  vi.stubEnv('DKV_API_KEY', 'secret-of-the-tests');
  const starting = Test.createTestingModule({ imports: [tls()] }).compile();
  await expect(starting).rejects.toThrow('/tls/tls.key');
});
