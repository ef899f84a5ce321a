import { it } from 'vitest';
import { runEventualScenario } from '../../libs/dkv/testing/simulation/eventual-scenario.js';
import { describeFindings } from '../../libs/dkv/testing/simulation/checkers/finding.js';
it('runs', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const t = performance.now();
    const r = await runEventualScenario(seed);
    process.stderr.write(`${seed} ${Math.round(performance.now() - t)}ms ops ${r.operations} ok ${r.acknowledged} faults ${r.faults} events ${r.events} findings ${r.findings.length}\n`);
    if (r.findings.length) process.stderr.write(describeFindings(r.findings.slice(0, 3)) + '\n');
  }
}, 600000);
