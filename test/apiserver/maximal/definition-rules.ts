import type { Rules } from './generate.ts';

const validation = {
  rule: 'self.count >= 0',
  message: 'm',
  messageExpression: '"no count"',
  reason: 'FieldValueForbidden',
  fieldPath: '.count',
  optionalOldSelf: true,
};

/** A structural schema with every member of JSONSchemaProps that one may have. */
const SCHEMA = {
  type: 'object',
  description: 'd',
  title: 't',
  externalDocs: { description: 'd', url: 'https://example.com' },
  'x-kubernetes-validations': [{ rule: 'has(self.spec)', message: 'm' }],
  required: ['spec'],
  properties: {
    status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    spec: {
      type: 'object',
      nullable: false,
      minProperties: 1,
      maxProperties: 20,
      'x-kubernetes-map-type': 'granular',
      'x-kubernetes-validations': [{ ...validation, optionalOldSelf: undefined }],
      anyOf: [{ required: ['count'] }, { required: ['words'] }],
      allOf: [{ properties: { count: { minimum: 0 } } }],
      oneOf: [{ required: ['count'] }],
      not: { required: ['forbidden'] },
      properties: {
        count: {
          type: 'integer',
          format: 'int32',
          default: 3,
          minimum: 0,
          maximum: 10,
          exclusiveMinimum: true,
          exclusiveMaximum: true,
          multipleOf: 1,
          example: 4,
        },
        word: {
          type: 'string',
          pattern: '^[a-z]*$',
          minLength: 1,
          maxLength: 9,
          enum: ['a', 'b'],
          nullable: true,
        },
        words: {
          type: 'array',
          minItems: 1,
          maxItems: 3,
          uniqueItems: false,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string', maxLength: 9 } },
          },
        },
        port: { 'x-kubernetes-int-or-string': true },
        of: { type: 'object', additionalProperties: { type: 'string' } },
        any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        pod: {
          type: 'object',
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
        kept: {
          type: 'string',
          maxLength: 9,
          'x-kubernetes-validations': [
            {
              rule: '!oldSelf.hasValue() || self == oldSelf.value()',
              reason: 'FieldValueInvalid',
              optionalOldSelf: true,
            },
          ],
        },
      },
    },
  },
};

const version = {
  name: 'v1',
  served: true,
  storage: true,
  deprecated: true,
  deprecationWarning: 'use another',
  schema: { openAPIV3Schema: SCHEMA },
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.count',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  },
  additionalPrinterColumns: [
    {
      name: 'Count',
      type: 'integer',
      format: 'int32',
      description: 'd',
      priority: 1,
      jsonPath: '.spec.count',
    },
  ],
  selectableFields: [{ jsonPath: '.spec.word' }],
};
const names = {
  plural: 'maximals',
  singular: 'maximal',
  shortNames: ['mx'],
  kind: 'Maximal',
  listKind: 'MaximalList',
  categories: ['all'],
};
const base = { group: 'maximal.example.com', names, scope: 'Namespaced', preserveUnknownFields: undefined };

/** Those of definitions, which are given whole: what a schema may hold depends on all of it. */
export const DEFINITION_RULES: Rules = {
  CustomResourceDefinitionSpec: {
    fields: base,
    either: [
      {
        versions: [version, { ...version, name: 'v2', storage: false }],
        conversion: {
          strategy: 'Webhook',
          webhook: {
            clientConfig: { service: { namespace: 'default', name: 'hook', path: '/a', port: 8443 } },
            conversionReviewVersions: ['v1'],
          },
        },
      },
      {
        versions: [version],
        conversion: {
          strategy: 'Webhook',
          webhook: { clientConfig: { url: 'https://hook.example.com/a' }, conversionReviewVersions: ['v1'] },
        },
      },
    ],
  },
  CustomResourceDefinitionStatus: {
    fields: {
      storedVersions: ['v1'],
      acceptedNames: names,
      conditions: [
        {
          type: 'NonStructuralSchema',
          status: 'False',
          reason: 'R',
          message: 'm',
          lastTransitionTime: '2026-01-02T03:04:05Z',
          observedGeneration: 1,
        },
      ],
    },
  },
};
