import type { TypeProvider } from './environment.ts';
import { struct } from './types.ts';
import type { Type } from './types.ts';

/** Object types that are known by their fields. */
export class ObjectTypes implements TypeProvider {
  readonly #types = new Map<string, Map<string, Type>>();

  /** Declares a type, and gives it. */
  declare(name: string, fields: Readonly<Record<string, Type>>): Type {
    this.#types.set(name, new Map(Object.entries(fields)));
    return struct(name);
  }

  addField(typeName: string, field: string, type: Type): void {
    this.#types.get(typeName)?.set(field, type);
  }

  find(name: string): Type | undefined {
    return this.#types.has(name) ? struct(name) : undefined;
  }

  field(typeName: string, field: string): Type | undefined {
    return this.#types.get(typeName)?.get(field);
  }
}
