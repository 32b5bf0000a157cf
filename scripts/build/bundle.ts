import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { WORKER_MODULES } from '../../src/base/worker-thread.ts';
import { BUNDLE_OF, commandsIn } from '../../src/cmd/program.ts';

const run = promisify(execFile);

/** The bundle for whatever is no command: the overview, and complaints. */
const OTHERWISE = 'version';

export interface Bundles {
  /** The launcher, which is the executable's own script. */
  main: string;
  /** Everything that it, and threads, load: name → file. */
  assets: Record<string, string>;
}

export interface BundleOptions {
  root: string;
  workDir: string;
  /** The Node binary of the executable, and the flags that it will run with: code is compiled for both. */
  node: string;
  nodeFlags: readonly string[];
}

/**
 * Bundles the program once for each command that runs on servers, with that command's code alone, once for all that
 * people run, and each module that a thread runs, to one CommonJS file each: that is what a single executable takes.
 */
export async function bundleProgram(options: BundleOptions): Promise<Bundles> {
  const { root, workDir } = options;
  const assets: Record<string, string> = {};
  const main = join(workDir, 'launcher.cjs');
  await build({
    ...COMMON,
    entryPoints: [join(root, 'scripts/build/launcher.ts')],
    outfile: main,
    define: { bundleOf: JSON.stringify(BUNDLE_OF), otherwise: JSON.stringify(OTHERWISE) },
  });
  for (const module of WORKER_MODULES) {
    assets[module] = join(workDir, `${module.replaceAll('/', '-').replace(/\.ts$/, '')}.cjs`);
    await build({
      ...COMMON,
      entryPoints: [join(root, module)],
      outfile: assets[module],
      banner: { js: EXECUTABLE_URL },
    });
  }
  const bundles = new Set(Object.values(BUNDLE_OF));
  await Promise.all([...bundles].map((name) => bundleCommands(name, options, assets)));
  return { main, assets };
}

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  // Names stay, for stacks that can be read.
  minifyIdentifiers: false,
  legalComments: 'none',
  logLevel: 'warning',
  // ssh2 tries its native parts and goes on without them.
  external: ['*.node', 'cpu-features'],
  // A script that is loaded from memory has no import() for what lies outside it.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'slipwayExecutableUrl' },
};

/** What every CommonJS module has, and a script from memory has not: ssh2's WebAssembly looks at its folder. */
const MODULE_NAMES = "const __filename=process.execPath,__dirname=require('node:path').dirname(__filename);";

/** Stands for import.meta.url, which CommonJS has not. */
const EXECUTABLE_URL = "const slipwayExecutableUrl=require('node:url').pathToFileURL(process.execPath).href;";

async function bundleCommands(
  name: string,
  options: BundleOptions,
  assets: Record<string, string>,
): Promise<void> {
  const file = join(options.workDir, `${name}.cjs`);
  await build({
    ...COMMON,
    entryPoints: [join(options.root, 'src/main.ts')],
    outfile: file,
    plugins: [onlyCommands(commandsIn(name))],
  });
  await writeFile(
    file,
    `(function(require,module){const exports=module.exports;${MODULE_NAMES}${EXECUTABLE_URL}${await readFile(file, 'utf8')}\n})`,
  );
  const cache = join(options.workDir, `${name}.cache`);
  const compile =
    'const[file,cache,name]=process.argv.slice(1);const fs=require("node:fs");' +
    'const script=new(require("node:vm").Script)(fs.readFileSync(file,"utf8"),{filename:`slipway:${name}`});' +
    'fs.writeFileSync(cache,script.createCachedData())';
  await run(options.node, [...options.nodeFlags, '-e', compile, file, cache, name]);
  assets[`bundles/${name}.cjs`] = file;
  assets[`bundles/${name}.cache`] = cache;
}

/** Leaves the code of all other commands out of the bundle; `version` is small and answers under every name. */
function onlyCommands(names: readonly string[]): Plugin {
  const kept = new Set([...names.map((name) => `./${name}.ts`), './version.ts']);
  return {
    name: 'only-command',
    setup(setup) {
      setup.onResolve({ filter: /^\.\/[a-z-]+\.ts$/ }, ({ path, kind, importer }) =>
        kind === 'dynamic-import' && basename(importer) === 'program.ts' && !kept.has(path)
          ? { path, namespace: 'left-out' }
          : undefined,
      );
      setup.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
        contents: `throw new Error('${path} is not in this bundle')`,
      }));
    },
  };
}
