/**
 * What the executable starts: it picks the bundle of the component or command that it was called for. One
 * bundle of everything would keep megabytes of source in the memory of every process on a server; a component's own has
 * a fraction of that. What people run on their own machine shares one.
 */
import { basename } from 'node:path';
import { getAsset, getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

/** Filled in by the build: the bundle of each name, and the one for all else. */
declare const bundleOf: Readonly<Record<string, string>>;
declare const otherwise: string;

function wanted(): string {
  const calledAs = basename(process.argv0);
  const args = process.argv.slice(2);
  const name = calledAs.startsWith('slipway-')
    ? calledAs.slice('slipway-'.length)
    : args[0] === 'help'
      ? args[1]
      : args[0];
  return (name !== undefined && Object.hasOwn(bundleOf, name) && bundleOf[name]) || otherwise;
}

const name = wanted();
const script = new Script(getAsset(`bundles/${name}.cjs`, 'utf8'), {
  filename: `slipway:${name}`,
  cachedData: Buffer.from(getRawAsset(`bundles/${name}.cache`)),
});
const run = script.runInThisContext() as (require: NodeJS.Require, module: { exports: unknown }) => void;
run(require, { exports: {} });
