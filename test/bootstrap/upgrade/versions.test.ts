import test from 'ava';
import {
  compareVersions,
  kubernetesMinor,
  versionOfRelease,
} from '../../../src/bootstrap/upgrade/versions.ts';

test('versions are ordered as semver.org orders them', (t) => {
  // The example of semver.org, and what a comparison of texts would get wrong.
  const ordered = [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.2.0',
    '1.10.0',
  ];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) t.is(compareVersions(a, b), Math.sign(i - j), `${a} and ${b}`);
  }
  t.is(compareVersions('1.0.0+a', 'v1.0.0+b'), 0);
});

test('the version of a release, and the minor of a Kubernetes version', (t) => {
  t.is(versionOfRelease('0.1.0-rc.1-7f1ad64f5a7e'), '0.1.0-rc.1');
  t.is(kubernetesMinor('v1.36.0+slipway.0.1.0'), 36);
  t.is(kubernetesMinor('1.36'), 36);
  t.is(kubernetesMinor('2.0'), undefined);
});
