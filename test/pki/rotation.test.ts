/** Authorities and keys that are being replaced: who issues and who is trusted at each stage. */
import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { clusterPki, type PkiFiles } from '../../src/pki/cluster-pki.ts';
import { decryptKey, isEncryptedKey, publicKeyOf, type KeyAlgorithm } from '../../src/pki/keys.ts';
import { isIssuedBy, matchesKey } from '../../src/pki/parse.ts';
import { splitCertificates } from '../../src/pki/pem.ts';
import {
  advanceRotation,
  AUTHORITIES,
  beginRotation,
  endRotation,
  OLD_SIGNER,
  ROTATION,
  rotationOf,
  trustedRoots,
  withRotation,
} from '../../src/pki/rotation.ts';
import {
  beginTokenRotation,
  endTokenRotation,
  tokenStage,
  withTokenRotation,
} from '../../src/pki/token-key-rotation.ts';
import { isSuperseded } from '../../src/kubelet/certificates/superseded.ts';

const options = (algorithm: KeyAlgorithm, passphrase?: string) => ({
  clock: systemClock,
  algorithm,
  nodes: [{ name: 'cp1', addresses: ['10.0.0.1'], controlPlane: true }],
  serviceAddress: '10.96.0.1',
  clusterDomain: 'cluster.local',
  extraNames: [],
  ...(passphrase === undefined ? {} : { passphrase }),
});

/** What is on disk after a run: what was issued is written, what counts otherwise is not. */
function issue(files: PkiFiles, algorithm: KeyAlgorithm, passphrase?: string): PkiFiles {
  const made = clusterPki(options(algorithm, passphrase), withTokenRotation(withRotation(files)));
  const written = { ...files };
  for (const { path } of made.issued)
    for (const end of ['.key', '.crt', '.pub']) {
      const content = made.files[path + end];
      if (content !== undefined) written[path + end] = content;
    }
  return written;
}

const write = (files: PkiFiles, written: ReadonlyArray<[string, string]>): PkiFiles => ({
  ...files,
  ...Object.fromEntries(written),
});

const LEAVES = {
  ca: 'nodes/cp1/apiserver',
  'front-proxy-ca': 'nodes/cp1/front-proxy-client',
  'etcd/ca': 'nodes/cp1/etcd/server',
} as const;

for (const algorithm of ['ECDSA-P256', 'RSA-2048'] as const) {
  test(`${algorithm}: every stage trusts what the stage before and the one behind it show`, (t) => {
    const first = issue({}, algorithm, 'secret');
    const begun = write(
      first,
      beginRotation(first, AUTHORITIES, { clock: systemClock, algorithm, passphrase: 'secret' }),
    );
    const trust = issue(begun, algorithm, 'secret');
    t.deepEqual(trust, begun, 'the old authorities issue: no leaf is outdated');
    const issuing = issue(write(trust, [advanceRotation(rotationOf(trust)!)]), algorithm, 'secret');
    const dropping = issue(write(issuing, [advanceRotation(rotationOf(issuing)!)]), algorithm, 'secret');
    const stages = [first, trust, issuing, dropping];
    for (const authority of AUTHORITIES) {
      const trusted = stages.map((files) =>
        splitCertificates(withRotation(files)[`pki/${authority}.crt`] ?? ''),
      );
      t.deepEqual(
        trusted.map(({ length }) => length),
        [1, 2, 2, 1],
        authority,
      );
      stages.forEach((files, stage) => {
        const leaf = files[`${LEAVES[authority]}.crt`] ?? '';
        // A server that is a stage behind or ahead must believe it, too.
        for (const neighbour of [stage - 1, stage, stage + 1]) {
          const roots = trusted[neighbour];
          if (roots !== undefined)
            t.true(
              roots.some((root) => isIssuedBy(leaf, root)),
              `${authority}: a leaf of stage ${stage} at a server of stage ${neighbour}`,
            );
        }
      });
      t.false(
        (trusted[3] ?? []).some((root) => isIssuedBy(first[`${LEAVES[authority]}.crt`] ?? '', root)),
        'in the end a leaf of the old authority is a stranger’s',
      );
      const key = dropping[`pki/${authority}-new.key`] ?? '';
      t.true(isEncryptedKey(key), 'the new key is encrypted where the old one is');
      t.true(matchesKey(dropping[`pki/${authority}-new.crt`] ?? '', decryptKey(key, 'secret')));
    }
    t.is(withRotation(issuing)[OLD_SIGNER], first['pki/signer.crt']);
    t.is(withRotation(dropping)[OLD_SIGNER], undefined, 'API servers forget the kubelets’ old intermediate');
    t.true(isIssuedBy(issuing['pki/signer.crt'] ?? '', issuing['pki/ca-new.crt'] ?? ''));
  });
}

test('a rotation that breaks off at any write goes on from there, and ends with the same authorities', (t) => {
  const first = issue({}, 'ECDSA-P256');
  const begin = beginRotation(first, AUTHORITIES, {
    clock: systemClock,
    algorithm: 'ECDSA-P256',
    passphrase: undefined,
  });
  for (let written = 0; written < begin.length; written += 1) {
    const torn = write(first, begin.slice(0, written));
    t.is(rotationOf(torn), undefined, `nothing counts after ${written} writes`);
    t.is(withRotation(torn)['pki/ca.crt'], first['pki/ca.crt']);
  }
  let files = write(first, begin);
  for (const _ of ['issue', 'drop'])
    files = issue(write(files, [advanceRotation(rotationOf(files)!)]), 'ECDSA-P256');
  const wanted = withRotation(files);
  const ending = endRotation(files);
  let done = files;
  for (const step of [...ending.write, ...ending.remove]) {
    if (typeof step === 'string') {
      const { [step]: _, ...rest } = done;
      done = rest;
    } else done = write(done, [step]);
    for (const authority of AUTHORITIES)
      for (const end of ['.crt', '.key'])
        t.is(
          withRotation(done)[`pki/${authority}${end}`],
          wanted[`pki/${authority}${end}`],
          `after ${String(step)}`,
        );
  }
  t.is(done[ROTATION], undefined);
  t.deepEqual(Object.keys(done).toSorted(), Object.keys(first).toSorted(), 'nothing is left of it');
  t.deepEqual(issue(done, 'ECDSA-P256'), done, 'every leaf is right');
});

test('a server that is a stage behind is no other cluster’s', (t) => {
  const first = issue({}, 'ECDSA-P256');
  const begun = write(
    first,
    beginRotation(first, ['ca'], { clock: systemClock, algorithm: 'ECDSA-P256', passphrase: undefined }),
  );
  const known = trustedRoots(begun);
  t.true(known.includes(first['pki/ca.crt'] ?? ''));
  t.true(known.includes(withRotation(begun)['pki/ca.crt'] ?? ''));
  t.deepEqual(trustedRoots(first), [first['pki/ca.crt']]);
  t.deepEqual(trustedRoots({}), []);
});

test('an encrypted authority is not replaced by one that lies open', (t) => {
  const first = issue({}, 'ECDSA-P256', 'secret');
  t.throws(
    () =>
      beginRotation(first, AUTHORITIES, {
        clock: systemClock,
        algorithm: 'ECDSA-P256',
        passphrase: undefined,
      }),
    { code: 'E_PASSPHRASE' },
  );
});

test('a damaged rotation is named, and nothing is guessed', (t) => {
  const first = issue({}, 'ECDSA-P256');
  for (const text of [
    '',
    '{"stage":"trust"}',
    '{"authorities":["ca"],"stage":"sometime"}',
    '{"authorities":["x"],"stage":"drop"}',
  ])
    t.throws(() => withRotation({ ...first, [ROTATION]: text }), { code: 'E_ROTATION' }, text);
  const lost = { ...first, [ROTATION]: '{"authorities":["ca"],"stage":"issue"}' };
  t.throws(() => withRotation(lost), { code: 'E_ROTATION', message: /ca-new\.crt/ });
});

test('a kubelet asks for a new certificate when another authority stands first in its bundle', (t) => {
  const first = issue({}, 'ECDSA-P256');
  const begun = write(
    first,
    beginRotation(first, ['ca'], { clock: systemClock, algorithm: 'ECDSA-P256', passphrase: undefined }),
  );
  const issuing = issue(write(begun, [advanceRotation(rotationOf(begun)!)]), 'ECDSA-P256');
  const bundle = (files: PkiFiles): string => withRotation(files)['pki/ca.crt'] ?? '';
  const own = first['pki/signer.crt'] ?? '';
  t.false(isSuperseded(own, bundle(first)));
  t.false(isSuperseded(own, bundle(begun)), 'the old one issues still');
  t.true(isSuperseded(own, bundle(issuing)));
  t.false(isSuperseded(issuing['pki/signer.crt'] ?? '', bundle(issuing)));
  t.false(
    isSuperseded(own, splitCertificates(bundle(issuing))[0] ?? ''),
    'an authority outside is no affair of it',
  );
  t.false(isSuperseded('', bundle(issuing)));
});

test('tokens of both keys are believed until the old key is dropped', (t) => {
  const first = issue({}, 'ECDSA-P256');
  const old = publicKeyOf(first['pki/sa.key'] ?? '');
  const begin = beginTokenRotation('RSA-2048');
  const next = publicKeyOf(begin[0]?.[1] ?? '');
  t.deepEqual(
    withTokenRotation(write(first, begin.slice(0, 1)))['pki/sa.pub'],
    old,
    'a lone key does not count',
  );
  const learn = write(first, begin);
  const sign = write(learn, [tokenStage({ stage: 'sign' })]);
  const drop = write(sign, [tokenStage({ stage: 'drop' })]);
  const seen = [learn, sign, drop].map((files) => {
    const made = clusterPki(options('ECDSA-P256'), withTokenRotation(files)).files;
    return [publicKeyOf(made['pki/sa.key'] ?? ''), made['pki/sa.pub']];
  });
  t.deepEqual(seen, [
    [old, old + next],
    [next, next + old],
    [next, next],
  ]);
  const ending = endTokenRotation(drop);
  const done = write(drop, ending.write);
  for (const path of ending.remove) delete done[path];
  t.is(done['pki/sa.pub'], next);
  t.deepEqual(withTokenRotation(done), done);
  t.throws(() => withTokenRotation(write(first, [tokenStage({ stage: 'sign' })])), { code: 'E_ROTATION' });
});

test('old and new authorities have one name and are told apart by their keys', (t) => {
  const first = issue({}, 'ECDSA-P256');
  const begun = beginRotation(first, ['ca'], {
    clock: systemClock,
    algorithm: 'ECDSA-P256',
    passphrase: undefined,
  });
  const next = new X509Certificate(begun.find(([path]) => path === 'pki/ca-new.crt')?.[1] ?? '');
  const old = new X509Certificate(first['pki/ca.crt'] ?? '');
  t.is(next.subject, old.subject);
  t.not(next.fingerprint256, old.fingerprint256);
  t.false(isIssuedBy(first['nodes/cp1/apiserver.crt'] ?? '', next.toString()));
});
