/** The house rules as a test: the import table of ARCHITECTURE.md, sizes, injected time, error codes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAX_FILE_LINES = 320;
/** A test file is a table of cases: it may be longer than what must be held in mind at once. */
const MAX_TEST_FILE_LINES = 600;
const MAX_FUNCTION_LINES = 75;

/** Folder of src/ → the folders of src/ that it may import besides itself. ARCHITECTURE.md says why. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  api: ['base'],
  pki: ['base'],
  storage: ['base'],
  client: ['api', 'base'],
  cel: ['api', 'base'],
  apiserver: ['cel', 'api', 'storage', 'pki', 'base'],
  controllers: ['client', 'api', 'pki', 'base'],
  scheduler: ['client', 'api', 'base'],
  proxy: ['client', 'api', 'base'],
  dns: ['client', 'api', 'base'],
  network: ['client', 'api', 'base'],
  kubelet: ['client', 'api', 'pki', 'base'],
  provision: ['base'],
  bootstrap: ['provision', 'pki', 'client', 'storage', 'api', 'base'],
};

/** Packages that one folder alone may know. */
const ONLY_IN: Record<string, readonly string[]> = {
  ssh2: ['src/provision/ssh/'],
  'ssh-config': ['src/provision/ssh/'],
  '@grpc/grpc-js': [
    'src/kubelet/cri/',
    'src/kubelet/probes/grpc-health.ts',
    'src/storage/etcd/',
    'src/apiserver/encryption/kms/grpc-kms-service.ts',
  ],
  commander: ['src/cmd/', 'src/main.ts'],
  listr2: ['src/bootstrap/', 'src/cmd/'],
  'dns-packet': ['src/dns/'],
  'node:sqlite': ['src/storage/embedded/'],
};

interface SourceFile {
  path: string;
  text: string;
  lines: string[];
}

function sources(folder: string): SourceFile[] {
  const found: SourceFile[] = [];
  let entries;
  try {
    entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  } catch {
    return found;
  }
  for (const entry of entries) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = relative(ROOT, join(entry.parentPath, entry.name));
    if (/(^|\/)(gen|node_modules)\//.test(path)) continue;
    const text = readFileSync(join(ROOT, path), 'utf8');
    found.push({ path, text, lines: text.split('\n') });
  }
  return found;
}

const src = sources('src');
const everything = [...src, ...sources('test'), ...sources('scripts'), ...sources('bench')];

function importsOf(file: SourceFile): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g;
  return [...file.text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

test('every folder imports only what the import table allows', (t) => {
  const problems: string[] = [];
  for (const file of src) {
    const folder = file.path.split('/')[1] ?? '';
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = normalize(join(dirname(file.path), specifier));
      const targetFolder = target.split('/')[1] ?? '';
      if (!target.startsWith('src/')) {
        problems.push(`${file.path} imports ${target}: nothing in src/ may import from outside src/`);
      } else if (targetFolder === 'cmd' && folder !== 'cmd' && file.path !== 'src/main.ts') {
        problems.push(`${file.path} imports ${target}: nothing imports cmd/; move the shared part down`);
      } else if (file.path !== 'src/main.ts' && folder !== 'cmd' && targetFolder !== folder) {
        const allowed = MAY_IMPORT[folder];
        if (!allowed) {
          problems.push(`${file.path}: src/${folder} has no row in the import table of test/tidy.test.ts`);
        } else if (!allowed.includes(targetFolder)) {
          problems.push(
            `${file.path} imports ${target}: ${folder}/ may import ${allowed.join(', ') || 'nothing'}; ` +
              `pass it in as a parameter, or move it to a folder that both may import`,
          );
        }
      }
    }
  }
  t.deepEqual(problems, []);
});

test('a package that one folder wraps is imported there alone', (t) => {
  const problems: string[] = [];
  for (const file of src) {
    for (const specifier of importsOf(file)) {
      const homes = ONLY_IN[specifier];
      if (homes && !homes.some((home) => file.path.startsWith(home))) {
        problems.push(
          `${file.path} imports ${specifier}: only ${homes.join(', ')} may; use what that folder exports`,
        );
      }
    }
  }
  t.deepEqual(problems, []);
});

test('no file is longer than a reader can hold', (t) => {
  const long = everything
    .filter(
      (file) => file.lines.length > (file.path.endsWith('.test.ts') ? MAX_TEST_FILE_LINES : MAX_FILE_LINES),
    )
    .map(
      (file) =>
        `${file.path} has ${file.lines.length} lines: split it by what a reader looks for (at most ${MAX_FILE_LINES})`,
    );
  t.deepEqual(long, []);
});

test('no function is longer than a screen', (t) => {
  const long: string[] = [];
  for (const file of src) {
    for (const { name, line, length } of functionsOf(file)) {
      if (length > MAX_FUNCTION_LINES) {
        long.push(
          `${file.path}:${line} ${name} has ${length} lines: name its parts and pull them out (at most ${MAX_FUNCTION_LINES})`,
        );
      }
    }
  }
  t.deepEqual(long, []);
});

/** Functions and methods by their indentation, which the formatter guarantees: the closing brace stands under the start. */
function functionsOf(file: SourceFile): Array<{ name: string; line: number; length: number }> {
  const found: Array<{ name: string; line: number; length: number }> = [];
  const start =
    /^(\s*)(?:export )?(?:default )?(?:static )?(?:async )?(?:function\*? |(?:get |set )?(?=[#\w]+\())([#\w]+)/;
  const control = new Set([
    'if',
    'for',
    'while',
    'switch',
    'catch',
    'return',
    'constructor',
    'test',
    'else',
    'do',
    'await',
  ]);
  for (const [index, line] of file.lines.entries()) {
    const match = start.exec(line);
    if (!match || control.has(match[2] ?? '') || !opensBody(file.lines, index, match[1] ?? '')) continue;
    const closing = `${match[1] ?? ''}}`;
    const end = file.lines.findIndex(
      (candidate, at) => at > index && candidate.replace(/[,;)]+$/, '') === closing,
    );
    if (end > 0) found.push({ name: match[2] ?? '', line: index + 1, length: end - index + 1 });
  }
  return found;
}

/** Whether the line, or the end of the parameter list that it opens, ends with the brace of a body: a call does not. */
function opensBody(lines: readonly string[], index: number, indentation: string): boolean {
  const line = lines[index] ?? '';
  if (line.endsWith('{')) return true;
  if (!line.endsWith('(')) return false;
  const end = lines.find((candidate, at) => at > index && candidate.startsWith(`${indentation})`));
  return end?.endsWith('{') ?? false;
}

test('time and randomness are injected: only base/ reads the clock and sets timers', (t) => {
  const forbidden = /\b(Date\.now\(|setTimeout\(|setInterval\(|new Date\(\))|from 'node:timers/;
  const problems: string[] = [];
  for (const file of src) {
    if (file.path.startsWith('src/base/')) continue;
    for (const [index, line] of file.lines.entries()) {
      const match = forbidden.exec(line);
      if (match && !/^\s*(\/\/|\*)/.test(line) && !/\.setTimeout\(/.test(line)) {
        problems.push(
          `${file.path}:${index + 1} uses ${match[0]}: take a Clock from src/base/clock.ts instead`,
        );
      }
    }
  }
  t.deepEqual(problems, []);
});

test('tests wait on conditions, never on time', (t) => {
  const problems: string[] = [];
  for (const file of sources('test')) {
    if (!file.path.endsWith('.test.ts')) continue;
    for (const [index, line] of file.lines.entries()) {
      if (/\bsetTimeout\(|from 'node:timers\/promises'/.test(line)) {
        problems.push(
          `${file.path}:${index + 1} sleeps: wait for what must be true with test/helpers/wait-for.ts`,
        );
      }
    }
  }
  t.deepEqual(problems, []);
});

test('no unfinished work is left in the code', (t) => {
  const problems: string[] = [];
  for (const file of everything) {
    if (file.path === 'test/tidy.test.ts') continue;
    for (const [index, line] of file.lines.entries()) {
      if (/(\/\/|^\s*\*).*\b(TODO|FIXME|XXX|HACK)\b/.test(line))
        problems.push(`${file.path}:${index + 1} ${line.trim()}`);
    }
  }
  t.deepEqual(problems, []);
});

test('every path that the documents name is there', (t) => {
  const missing: string[] = [];
  for (const document of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/decisions.md']) {
    const text = readFileSync(join(ROOT, document), 'utf8');
    for (const match of text.matchAll(
      /(?:`|\]\()((?:src|test|scripts|bench|docs|templates|inventories)\/[\w./-]*)[`)]/g,
    )) {
      const path = match[1] ?? '';
      if (!existsSync(join(ROOT, path)))
        missing.push(`${document} names ${path}, which is not there: mend the document`);
    }
  }
  t.deepEqual(missing, []);
});

test('every error code stands in docs/errors.md, and every code there stands in the source', (t) => {
  const inCode = new Set<string>();
  for (const file of src)
    for (const match of file.text.matchAll(/'(E_[A-Z0-9_]+)'/g)) inCode.add(match[1] ?? '');
  const text = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
  const inDocs = new Set([...text.matchAll(/^\| `(E_[A-Z0-9_]+)`/gm)].map((match) => match[1] ?? ''));
  t.deepEqual(
    [...inCode]
      .filter((code) => !inDocs.has(code))
      .map((code) => `${code} is missing in docs/errors.md: say what it means and what to do`),
    [],
  );
  t.deepEqual(
    [...inDocs]
      .filter((code) => !inCode.has(code))
      .map((code) => `${code} in docs/errors.md is raised nowhere: delete the row`),
    [],
  );
});
