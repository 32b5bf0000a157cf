import { writeFileSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseInventory } from '../../src/bootstrap/inventory/load.ts';
import { SshConfigFile } from '../../src/provision/ssh/ssh-config.ts';
import { sshTarget } from '../../src/bootstrap/ssh-targets.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-targets-'));
const inventory = (ssh: string, own = '{}') =>
  parseInventory(
    `cluster: { name: t }\nssh: ${ssh}\nservers:\n  - { name: a, address: 10.0.0.1, roles: [control-plane], ssh: ${own} }\n`,
    'i.yaml',
  );
const target = async (ssh: string, own?: string, env: NodeJS.ProcessEnv = {}) => {
  const parsed = inventory(ssh, own);
  const [server] = parsed.servers;
  if (!server) throw new Error('no server');
  return await sshTarget(parsed, server, { folder, env });
};

test('a server’s own ssh section wins over the common one', async (t) => {
  t.like(
    await target('{ user: admin, port: 2222, key: ~/.ssh/k }', '{ port: 22, address: jump.example.org }'),
    {
      name: 'a',
      address: 'jump.example.org',
      user: 'admin',
      port: 22,
      keyFiles: [join(homedir(), '.ssh/k')],
    },
  );
});

test('secrets come from the environment or from files beside the inventory', async (t) => {
  writeFileSync(join(folder, 'pw'), 'of a file\n');
  t.like(
    await target('{ passwordFrom: "file:pw", sudoPasswordFrom: "env:SUDO" }', '{}', { SUDO: 'of the env' }),
    {
      password: 'of a file',
      sudoPassword: 'of the env',
    },
  );
});

test('a secret that is not there is named, with where the inventory asks for it', async (t) => {
  await t.throwsAsync(target('{ passwordFrom: "env:NOPE" }'), { code: 'E_SECRET', message: /variable NOPE/ });
  await t.throwsAsync(target('{ passwordFrom: "file:nope" }'), {
    code: 'E_SECRET',
    message: /nope.* does not exist/,
  });
});

test('a bastion is a target of its own', async (t) => {
  const { bastion } = await target('{ key: k, bastion: { address: b.example.org, user: jump } }');
  t.like(bastion, { name: 'bastion of a', address: 'b.example.org', user: 'jump', keyFiles: [], port: 22 });
});

const personal = new SshConfigFile(`
Host 10.0.0.1
  User admin
  IdentityFile ~/.ssh/work_%r
  ProxyJump jump@outer.example.org:2222,inner
Host inner
  HostName inner.example.org
  User hop
Host *
  Port 2200
`);

test('what the inventory leaves open is taken from ~/.ssh/config, jumps and all', async (t) => {
  const parsed = inventory('{}');
  const [server] = parsed.servers;
  if (!server) throw new Error('no server');
  const found = await sshTarget(parsed, server, { folder, env: {}, sshConfig: personal });
  t.like(found, {
    address: '10.0.0.1',
    user: 'admin',
    port: 2200,
    keyFiles: [join(homedir(), '.ssh/work_admin')],
  });
  t.like(found.bastion, { address: 'inner.example.org', user: 'hop', port: 2200 });
  t.like(found.bastion?.bastion, { address: 'outer.example.org', user: 'jump', port: 2222 });
  t.is(found.bastion?.bastion?.bastion, undefined);
});

test('the inventory wins over ~/.ssh/config', async (t) => {
  const parsed = inventory('{ user: root, port: 22, key: k, bastion: { address: b.example.org } }');
  const [server] = parsed.servers;
  if (!server) throw new Error('no server');
  const found = await sshTarget(parsed, server, { folder, env: {}, sshConfig: personal });
  t.like(found, { user: 'root', port: 22, keyFiles: [join(folder, 'k')] });
  t.is(found.bastion?.address, 'b.example.org');
});
