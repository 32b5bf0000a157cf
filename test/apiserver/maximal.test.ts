/**
 * Objects of every kind with every field set that validation allows, in as few variants as fields exclude each other:
 * made, read, reported on. What upstream's kube-apiserver left out of them and set is recorded; see scripts/record-maximal.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { decodeProtobuf, encodeProtobuf } from '../../src/api/protobuf/envelope.ts';
import { schemaForKind } from '../../src/api/schema.ts';
import type { Schema } from '../../src/api/schema.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';
import { waitFor } from '../helpers/wait-for.ts';
import {
  collectionOf,
  ephemeralVariants,
  fixtureName,
  MAXIMAL_FOLDER,
  objectsOf,
  outcomesOf,
  prepare,
  remove,
  servedKinds,
} from './maximal/answers.ts';
import type { Json, VariantOutcome } from './maximal/answers.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** Kinds without a protobuf form. */
const JSON_ONLY = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);

/** Fields that no valid object has, and why. */
const NEVER: Readonly<Record<string, RegExp>> = {
  'the server writes it, or says which object is meant':
    /^v1\.(ObjectMeta\.(namespace|resourceVersion|managedFields)|ManagedFieldsEntry\.)/,
  'of containers alone, and refused for ephemeral ones':
    /^v1\.EphemeralContainer\.(ports|resources|resizePolicy|restartPolicy|restartPolicyRules|\w+Probe|lifecycle|volumeDevices)$/,
  'pods are created without, and get them by a subresource': /^v1\.PodSpec\.ephemeralContainers$/,
  'structural schemas have no such member':
    /^v1\.JSONSchemaProps\.(id|\$schema|\$ref|patternProperties|dependencies|additionalItems|definitions)$/,
  'must be false in v1': /^v1\.CustomResourceDefinitionSpec\.preserveUnknownFields$/,
  'must be unset in events that have an eventTime': /^v1\.Event\.deprecated/,
  'of the one mandatory level, which nobody creates':
    /^v1\.(PriorityLevelConfigurationSpec\.exempt|ExemptPriorityLevel)/,
  'in namespaces of administrators alone':
    /^v1\.(ExactDeviceRequest|DeviceRequestAllocationResult)\.adminAccess$/,
  'features that are off by default, and refused rather than dropped':
    /^v1\.(DeviceAttribute\.(ints|bools|strings|versions)|Device\.nodeAllocatableResourceMappings|NodeAllocatableResourceMapping\.)/,
};

function fieldsOf(schema: Schema, into: Set<string>, seen: Set<Schema>): void {
  if (schema.kind === 'list' || schema.kind === 'map') fieldsOf(schema.items, into, seen);
  if (schema.kind !== 'message' || seen.has(schema)) return;
  seen.add(schema);
  for (const [name, field] of schema.fields) {
    into.add(`${schema.goName}.${name}`);
    fieldsOf(field.schema, into, seen);
  }
}

test('every field of every served kind is set in some maximal object, but for those that cannot be', (t) => {
  const all = new Set<string>();
  const seen = new Set<Schema>();
  const covered = new Set(ephemeralVariants().flatMap((variant) => [...variant.covered]));
  for (const served of servedKinds()) {
    fieldsOf(schemaForKind(served.group, served.version, served.kind)!, all, seen);
    for (const variant of objectsOf(served)) for (const field of variant.covered) covered.add(field);
  }
  const missing = [...all].filter((field) => !covered.has(field));
  for (const [why, fields] of Object.entries(NEVER)) {
    t.true(
      missing.some((field) => fields.test(field)),
      why,
    );
  }
  t.deepEqual(
    missing.filter((field) => !Object.values(NEVER).some((fields) => fields.test(field))),
    [],
  );
  t.log(`${covered.size} fields are set`);
  t.true(covered.size > 2000);
});

async function start(t: { teardown: (fn: () => unknown) => void }): Promise<RawApi> {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  await prepare(api);
  return api;
}

test('maximal objects become what upstream makes of them, field by field', async (t) => {
  t.timeout(120_000);
  const api = await start(t);
  for (const served of servedKinds()) {
    const name = fixtureName(served);
    const wanted = JSON.parse(readFileSync(join(MAXIMAL_FOLDER, `${name}.json`), 'utf8')) as VariantOutcome[];
    t.true(
      wanted.every(({ create, status }) => create.code === 201 && (status?.code ?? 200) === 200),
      `${name}: upstream takes all of them`,
    );
    t.deepEqual(await outcomesOf(api, served), wanted, name);
  }
});

/** Of an object within another, protobuf does not say the kind. */
function asOnTheWire(object: Json): Json {
  const spec = object['spec'] as { volumeClaimTemplates?: object[] } | undefined;
  if (!spec?.volumeClaimTemplates) return object;
  const volumeClaimTemplates = spec.volumeClaimTemplates.map((claim) => {
    const { apiVersion: _apiVersion, kind: _kind, ...rest } = claim as Json;
    return rest;
  });
  return { ...object, spec: { ...spec, volumeClaimTemplates } };
}

/** Some kinds the server itself writes to soon after they are made. */
function isSettled(object: Json): boolean {
  const { kind, rules, status } = object as Json & { rules?: unknown[] | null; status?: { conditions?: [] } };
  if (kind === 'ClusterRole') return !rules?.length;
  if (kind === 'FlowSchema') return Boolean(status?.conditions?.length);
  if (kind === 'ValidatingAdmissionPolicy') return status !== undefined && 'observedGeneration' in status;
  return true;
}

test('maximal objects are the same through protobuf: created, read, and written back without a change', async (t) => {
  t.timeout(120_000);
  const api = await start(t);
  const headers = { accept: PROTOBUF, 'content-type': PROTOBUF };
  for (const served of servedKinds()) {
    if (JSON_ONLY.has(served.group) || !served.verbs.includes('get')) continue;
    const collection = collectionOf(served);
    for (const { object } of objectsOf(served)) {
      const what = `${fixtureName(served)} ${object.metadata.name}`;
      const path = `${collection}/${encodeURIComponent(object.metadata.name ?? '')}`;
      const made = await api.request('POST', collection, { body: encodeProtobuf(object), headers });
      t.is(made.status, 201, `${what}: ${made.body.toString('latin1').slice(0, 300)}`);
      const { inJson, inProtobuf } = await waitFor('a read of one version in both forms', async () => {
        const read = {
          inJson: (await api.get(path)).json() as unknown as Json,
          inProtobuf: decodeProtobuf((await api.get(path, headers)).body) as Json,
        };
        const [one, other] = [read.inJson.metadata, read.inProtobuf.metadata];
        return one.resourceVersion === other.resourceVersion && isSettled(read.inJson) ? read : undefined;
      });
      t.deepEqual(inProtobuf, asOnTheWire(inJson), what);
      const asMade = decodeProtobuf(made.body) as Json;
      if (asMade.metadata.resourceVersion === inJson.metadata.resourceVersion) {
        t.deepEqual(asMade, asOnTheWire(inJson), what);
      }
      const again = await api.request('PUT', path, { body: encodeProtobuf(inProtobuf), headers });
      t.is(again.status, 200, what);
      const after = decodeProtobuf(again.body) as Json;
      t.is(after.metadata.resourceVersion, inJson.metadata.resourceVersion, `${what}: nothing changed`);
      await remove(api, path);
    }
  }
});
