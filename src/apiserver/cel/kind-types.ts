import type { MessageSchema, Schema } from '../../api/schema.ts';
import type { TypeProvider } from '../../cel/environment.ts';
import * as t from '../../cel/types.ts';
import type { Type } from '../../cel/types.ts';
import { escapeField } from '../crd/rules/field-names.ts';

/** The types of a built-in kind and of all within it, by its schema; messages may hold themselves. */
export class KindTypes implements TypeProvider {
  readonly root: Type;
  readonly #messages = new Map<string, ReadonlyMap<string, Schema>>();

  constructor(schema: MessageSchema) {
    this.root = this.#typeOf(schema);
  }

  find(name: string): Type | undefined {
    return this.#messages.has(name) ? t.struct(name) : undefined;
  }

  field(typeName: string, field: string): Type | undefined {
    const schema = this.#messages.get(typeName)?.get(field);
    return schema && this.#typeOf(schema);
  }

  #typeOf(schema: Schema): Type {
    switch (schema.kind) {
      case 'message':
        return this.#message(schema);
      case 'list':
        return t.listOf(this.#typeOf(schema.items));
      case 'map':
        return t.mapOf(t.STRING, this.#typeOf(schema.items));
      case 'string':
      case 'duration':
        return t.STRING;
      case 'bool':
        return t.BOOL;
      case 'int32':
      case 'int64':
      case 'uint32':
      case 'uint64':
        return t.INT;
      case 'double':
        return t.DOUBLE;
      case 'bytes':
        return t.BYTES;
      case 'time':
      case 'microTime':
        return t.TIMESTAMP;
      default:
        // Quantities, numbers or names, and whatever has no schema.
        return t.DYN;
    }
  }

  #message(schema: MessageSchema): Type {
    if (!this.#messages.has(schema.openApiName)) {
      const fields = new Map<string, Schema>();
      for (const [name, field] of schema.fields) {
        const escaped = escapeField(name);
        if (escaped !== undefined) fields.set(escaped, field.schema);
      }
      this.#messages.set(schema.openApiName, fields);
    }
    return t.struct(schema.openApiName);
  }
}
