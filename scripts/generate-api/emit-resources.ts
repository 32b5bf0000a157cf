import type { PackageModel } from './model.ts';

interface Entry {
  readonly constant: string;
  readonly kind: string;
  readonly key: string;
  readonly text: string;
}

/** gen/resources.ts: one typed constant for each resource, and the list of all. */
export function emitResources(packages: readonly PackageModel[]): string {
  const taken = new Set<string>();
  const entries: Entry[] = [];
  // Core first, then stable versions from the newest, so that the plain name goes to the usual one.
  for (const pkg of packages.toSorted((a, b) => rank(a) - rank(b))) {
    for (const message of pkg.messages) {
      if (!message.resource || pkg.config.group === undefined) continue;
      const { plural, namespaced } = message.resource;
      const constant = constantOf(plural.toUpperCase(), pkg, taken);
      taken.add(constant);
      const type = `${alias(pkg.config.key)}.${message.name}`;
      entries.push({
        constant,
        kind: message.name,
        key: pkg.config.key,
        text: `export const ${constant}: ResourceInfo<${type}> = {
  group: '${pkg.config.group}',
  version: '${pkg.config.version}',
  resource: '${plural}',
  kind: '${message.name}',
  namespaced: ${namespaced},
};
`,
      });
    }
  }
  const keys = [...new Set(entries.map((entry) => entry.key))].toSorted();
  const imports = keys.map((key) => `import type * as ${alias(key)} from './types/${key}.ts';`);
  const list = entries
    .filter((entry) => !entry.key.startsWith('metrics-'))
    .map((entry) => `  ${entry.constant},`)
    .join('\n');
  return `import type { ResourceInfo } from '../resource.ts';
${imports.join('\n')}

${entries.map((entry) => entry.text).join('\n')}
/** Every resource that is served by default. */
export const ALL_RESOURCES: readonly ResourceInfo[] = [
${list}
];
`;
}

function rank(pkg: PackageModel): number {
  if (pkg.config.group === '') return 0;
  if (pkg.config.group === 'metrics.k8s.io') return 3;
  return pkg.config.version === 'v2' ? 1 : 2;
}

function constantOf(name: string, pkg: PackageModel, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  const first = pkg.config.group!.split('.')[0]!.toUpperCase();
  // events.k8s.io and autoscaling/v1 are told apart from their namesakes by their version.
  const suffix = first === 'EVENTS' || first === 'AUTOSCALING' ? pkg.config.version.toUpperCase() : first;
  return `${name}_${suffix}`;
}

function alias(key: string): string {
  return key.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
