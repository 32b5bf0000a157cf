import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as names from '../../src/api/names.ts';

/** What Go says of each value, by check. */
const FIXTURES = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/api/names.json'), 'utf8'),
) as Array<{ value: string } & Record<string, string[]>>;

const CHECKS: Record<string, (value: string) => string[]> = {
  dns1123Label: names.checkDns1123Label,
  dns1123Subdomain: names.checkDns1123Subdomain,
  dns1035Label: names.checkDns1035Label,
  wildcard: names.checkWildcardDns1123Subdomain,
  qualifiedName: names.checkQualifiedName,
  labelValue: names.checkLabelValue,
  cIdentifier: names.checkCIdentifier,
  envVarName: names.checkEnvVarName,
  configMapKey: names.checkConfigMapKey,
  httpHeaderName: names.checkHttpHeaderName,
  percent: names.checkPercent,
  portName: names.checkPortName,
};

for (const [check, run] of Object.entries(CHECKS)) {
  test(`${check}: the messages are upstream's`, (t) => {
    for (const fixture of FIXTURES) t.deepEqual(run(fixture.value), fixture[check], fixture.value);
  });
}

test('ports are numbers from 1 to 65535', (t) => {
  t.deepEqual(names.checkPortNumber(65_535), []);
  t.deepEqual(names.checkPortNumber(0), ['must be between 1 and 65535, inclusive']);
});
