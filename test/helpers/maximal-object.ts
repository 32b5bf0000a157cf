import { schemaForMessage, type MessageSchema, type Schema } from '../../src/api/schema.ts';

/**
 * An object of a kind with every field set that is on the wire, down to where a message would hold itself again. Strings
 * are their field's path, so that no two fields can be confused.
 */
export function maximalObject(schema: MessageSchema): { object: Record<string, unknown>; fields: number } {
  let fields = 0;

  const ofMessage = (
    message: MessageSchema,
    path: string,
    above: readonly string[],
  ): Record<string, unknown> => {
    const object: Record<string, unknown> = {};
    const collect = (from: MessageSchema): void => {
      for (const field of from.ownFields) {
        if (field.number === 0) continue;
        if (field.inline && field.schema.kind === 'message') collect(field.schema);
        else {
          const value = ofSchema(field.schema, `${path}.${field.name}`, [...above, message.name]);
          if (value === undefined) continue;
          fields += 1;
          object[field.name] = value;
        }
      }
    };
    collect(message);
    return object;
  };

  const ofSchema = (schema: Schema, path: string, above: readonly string[]): unknown => {
    if (schema.kind === 'message') {
      return above.includes(schema.name) ? undefined : ofMessage(schema, path, above);
    }
    if (schema.kind === 'list' || schema.kind === 'map') {
      const item = ofSchema(schema.items, `${path}[]`, above);
      if (item === undefined) return undefined;
      return schema.kind === 'list' ? [item] : { key: item };
    }
    return ofScalar(schema, path, above);
  };

  const ofScalar = (schema: Schema, path: string, above: readonly string[]): unknown => {
    switch (schema.kind) {
      case 'bool':
        return true;
      case 'int32':
      case 'uint32':
      case 'int64':
      case 'uint64':
        return 7 + fields;
      case 'double':
        return 1.5 + fields;
      case 'bytes':
        return Buffer.from(path).toString('base64');
      case 'time':
        return '2026-01-02T03:04:05Z';
      case 'microTime':
        return '2026-01-02T03:04:05.000006Z';
      case 'duration':
        return '1h2m3s';
      case 'quantity':
        return '1536Mi';
      case 'rawExtension':
      case 'fieldsV1':
      case 'json':
        return { path };
      case 'schemaOrArray':
      case 'schemaOrBool':
      case 'schemaOrStrings': {
        const props = schemaForMessage('apiextensions-v1', 'JSONSchemaProps')!;
        return above.includes(props.name) ? undefined : ofMessage(props, path, above);
      }
      default:
        return path;
    }
  };

  const object = ofMessage(schema, schema.name, []);
  return { object, fields };
}
