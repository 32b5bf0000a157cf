import type { FunctionDeclaration, Overload } from './functions.ts';
import type { MacroSet } from './macros.ts';
import type { Type } from './types.ts';
import type { Value } from './values.ts';

/** Object types: which there are, which fields they have, and how they are made. */
export interface TypeProvider {
  /** The type of this name, if there is one. */
  find(name: string): Type | undefined;
  field(typeName: string, field: string): Type | undefined;
  /** `Name{field: value}`; fields are of the declared types. */
  create?(typeName: string, fields: ReadonlyMap<string, Value>): Value;
}

export interface EnvironmentOptions {
  readonly functions: readonly FunctionDeclaration[];
  /** Names may have dots: 'authorizer.requestResource'. */
  readonly variables?: Readonly<Record<string, Type>>;
  /** Names of types that are values: int, string … */
  readonly typeNames?: ReadonlyMap<string, Type>;
  readonly provider?: TypeProvider;
  readonly macros: MacroSet;
  /** `[1, 'a']` is an error, as Kubernetes has it. */
  /** Kubernetes' checks of literals: durations, timestamps and patterns that are none are found when compiling. */
  readonly checkLiterals?: boolean;
}

/** What an expression may use. Never changed; `extend` makes another. */
export class Environment {
  readonly options: EnvironmentOptions;
  readonly #functions: ReadonlyMap<string, readonly Overload[]>;
  readonly #variables: ReadonlyMap<string, Type>;

  constructor(options: EnvironmentOptions, functions?: ReadonlyMap<string, readonly Overload[]>) {
    this.options = options;
    this.#functions = functions ?? byName(options.functions);
    this.#variables = new Map(Object.entries(options.variables ?? {}));
  }

  /** With more variables, functions and types. Later names win. */
  extend(more: Partial<Pick<EnvironmentOptions, 'functions' | 'variables' | 'provider'>>): Environment {
    const { options } = this;
    const functions = [...options.functions, ...(more.functions ?? [])];
    const provider = more.provider ? joined(more.provider, options.provider) : options.provider;
    return new Environment(
      {
        ...options,
        functions,
        variables: { ...options.variables, ...more.variables },
        ...(provider ? { provider } : {}),
      },
      more.functions ? undefined : this.#functions,
    );
  }

  overloads(name: string): readonly Overload[] | undefined {
    return this.#functions.get(name);
  }

  variable(name: string): Type | undefined {
    return this.#variables.get(name);
  }

  /** The type that a name stands for. */
  typeNamed(name: string): Type | undefined {
    return this.options.typeNames?.get(name) ?? this.options.provider?.find(name);
  }

  field(typeName: string, field: string): Type | undefined {
    return this.options.provider?.field(typeName, field);
  }
}

function byName(functions: readonly FunctionDeclaration[]): ReadonlyMap<string, readonly Overload[]> {
  const map = new Map<string, Overload[]>();
  for (const { name, overloads } of functions) {
    const list = map.get(name);
    if (list) list.push(...overloads);
    else map.set(name, [...overloads]);
  }
  return map;
}

function joined(first: TypeProvider, second: TypeProvider | undefined): TypeProvider {
  if (!second) return first;
  return {
    find: (name) => first.find(name) ?? second.find(name),
    field: (type, field) => (first.find(type) ? first.field(type, field) : second.field(type, field)),
    create: (type, fields) => {
      const owner = first.find(type) ? first : second;
      if (!owner.create) throw new Error(`no value of type ${type} can be made`);
      return owner.create(type, fields);
    },
  };
}
