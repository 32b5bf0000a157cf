import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import test from 'ava';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { labGroups } from './cgroups.ts';
import { run } from './command.ts';
import { Lab } from './lab.ts';
import { labSkipReason } from './machine.ts';
import { labPackages } from './packages.ts';
import { startRelay } from './relay.ts';
import { OPS_PASSWORD } from './server.ts';
import { labDirectory, reapDeadLabs } from './state.ts';

const reason = labSkipReason();
const labTest = reason ? test.skip : test.serial;
if (reason) test.serial.skip(`lab: ${reason}`, () => {});

/** All that a lab of this id has left on the machine, in words; empty where it is gone. */
async function leftovers(id: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/run/netns').catch(() => [])) {
    if (name.startsWith(`slab.${id}`)) found.push(`netns ${name}`);
  }
  for (const group of labGroups(id)) if (existsSync(group)) found.push(`cgroup ${group}`);
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  for (const line of mounts.split('\n')) if (line.includes(labDirectory(id))) found.push(`mount ${line}`);
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(`${labDirectory(id)}/`) || commandLine.includes(`netns/slab.${id}`))
      found.push(`process ${pid}`);
    const mountinfo = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
    if (mountinfo.includes(`${labDirectory(id)}/`)) found.push(`process ${pid} with the lab's mounts`);
  }
  if (existsSync(labDirectory(id))) found.push(`folder ${labDirectory(id)}`);
  return found;
}

const newId = (name: string): string => `${name}-${process.pid}`;

labTest('a server boots systemd without a failed unit and takes logins of root and ops', async (t) => {
  const lab = await Lab.create({ id: newId('boot'), servers: [{ name: 'cp1' }] });
  try {
    const server = lab.server('cp1');
    t.is(
      (await server.exec('systemctl is-system-running --wait || systemctl --failed --no-legend')).trim(),
      'running',
    );
    t.is((await server.exec('cat /proc/1/comm; hostname')).trim(), 'systemd\ncp1');
    const ssh = ['ssh', ...server.sshOptions(), `ops@${server.address}`];
    t.is((await lab.fabricExec([...ssh, `echo ${OPS_PASSWORD} | sudo -S -p '' id -un`])).trim(), 'root');
    t.not((await lab.fabricTryExec([...ssh, 'sudo -n true'])).code, 0, 'sudo must ask for the password');
    // Bare means bare, and closed means closed.
    t.not((await server.tryExec('command -v containerd || command -v nft')).code, 0);
    t.not((await server.tryExec('ping -c1 -W1 8.8.8.8 || curl -m2 http://deb.debian.org')).code, 0);
  } finally {
    await lab.close();
  }
  t.deepEqual(await leftovers(lab.id), []);
});

labTest('a power cut ends every process and keeps the disk; reboot and poweroff are orderly', async (t) => {
  const lab = await Lab.create({ id: newId('power'), servers: [{ name: 'cp1' }] });
  try {
    const server = lab.server('cp1');
    const firstBoot = await server.bootId();
    await server.exec(
      'echo kept > /var/kept; echo kept > /root/kept; sync; echo gone > /run/gone; ip route add 10.9.0.0/16 via 10.77.0.1',
    );
    await server.powerCut();
    t.false(await server.isOn());
    await server.boot();
    await server.waitForSsh();
    t.not(await server.bootId(), firstBoot);
    t.is(
      (
        await server.exec(
          'cat /var/kept /root/kept; ls /run/gone 2>/dev/null || true; ip route show 10.9.0.0/16',
        )
      ).trim(),
      'kept\nkept',
    );
    const secondBoot = await server.bootId();
    await server.reboot();
    t.not(await server.bootId(), secondBoot);
    await server.powerOff();
    t.false(await server.isOn());
  } finally {
    await lab.close();
  }
  t.deepEqual(await leftovers(lab.id), []);
});

labTest('links, partitions, full disks and killed sessions fail as they do on hardware', async (t) => {
  const lab = await Lab.create({
    id: newId('fault'),
    servers: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
  });
  try {
    const [a, b, c] = [lab.server('a'), lab.server('b'), lab.server('c')];
    const reaches = async (from: typeof a, to: typeof a) =>
      (await from.tryExec(`timeout 2 bash -c 'exec 3<>/dev/tcp/${to.address}/22'`)).code === 0;
    t.true(await reaches(a, b));
    await lab.partition(a, b);
    t.deepEqual([await reaches(a, b), await reaches(b, a), await reaches(a, c)], [false, false, true]);
    await lab.heal(a, b);
    t.true(await reaches(a, b));
    await c.linkDown();
    t.false(await reaches(a, c));
    await c.linkUp();
    await waitFor('c is reached again', () => reaches(a, c));

    await a.limitSpace('/opt', 64);
    const full = await a.tryExec('head -c 1000000 /dev/zero > /opt/file');
    t.regex(full.stderr, /No space left on device/);
    await a.unlimitSpace('/opt');

    const session = lab.fabricSpawn(['ssh', ...a.sshOptions(), `ops@${a.address}`, 'echo in; sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(session, 'exit');
    if (session.stdout) await once(session.stdout, 'data');
    await a.killSsh();
    t.is((await ended)[0], 255);
    await a.waitForSsh();
  } finally {
    await lab.close();
  }
});

labTest(
  'two labs run at once with the same addresses, and a relay leads from loopback into one',
  async (t) => {
    const labs = await Promise.all(
      ['one', 'two'].map((name) => Lab.create({ id: newId(name), servers: [{ name: `${name}-cp1` }] })),
    );
    try {
      for (const lab of labs) {
        const [server] = lab.servers;
        t.is(server?.address, '10.77.0.11');
        const ssh = ['ssh', ...(server?.sshOptions() ?? []), 'root@10.77.0.11', 'hostname'];
        t.is((await lab.fabricExec(ssh)).trim(), server?.name ?? '');
      }
      const [lab] = labs;
      // The first target is silent: the relay moves on to the next.
      const targets = [
        { host: '10.77.0.11', port: 1 },
        { host: '10.77.0.11', port: 22 },
      ];
      const relay = await startRelay({ labId: lab?.id ?? '', name: 'ssh', targets });
      const socket = connect(relay.port, '127.0.0.1');
      const [greeting] = (await once(socket, 'data')) as [Buffer];
      t.regex(greeting.toString(), /^SSH-2\.0-/);
      socket.destroy();
    } finally {
      await Promise.all(labs.map((lab) => lab.close()));
    }
    for (const lab of labs) t.deepEqual(await leftovers(lab.id), []);
  },
);

labTest('a run that is killed leaves a lab that the next run removes', async (t) => {
  const id = newId('dead');
  const module = join(fileURLToPath(new URL('.', import.meta.url)), 'lab.ts');
  const code = `const { Lab } = await import(${JSON.stringify(module)});
    await Lab.create({ id: ${JSON.stringify(id)}, servers: [{ name: 'cp1' }] });
    console.log('up'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  t.not((await leftovers(id)).length, 0, 'the servers outlive their owner');
  t.true((await reapDeadLabs()).includes(id));
  t.deepEqual(await leftovers(id), []);
});

labTest('the packages of a node install on a bare server without a repository', async (t) => {
  const folder = await labPackages();
  const lab = await Lab.create({ id: newId('debs'), servers: [{ name: 'cp1' }] });
  try {
    const server = lab.server('cp1');
    const archive = await run('sh', ['-c', `tar -C ${folder} -cf - . | base64 -w0`]);
    await server.exec('mkdir -p /root/debs && base64 -d | tar -C /root/debs -xf -', { input: archive });
    await server.exec('DEBIAN_FRONTEND=noninteractive dpkg --install --recursive /root/debs', {
      timeoutMs: 120_000,
    });
    t.regex(
      await server.exec('containerd --version && nft --version && ls /usr/lib/cni'),
      /containerd .*\nnftables[^]*bridge/,
    );

    // An image made by hand imports into that containerd and runs.
    await server.exec('base64 -d > /root/image.tar', { input: (await busyboxImage()).toString('base64') });
    await server.exec('systemctl start containerd && ctr -n k8s.io images import /root/image.tar');
    const hello =
      'ctr -n k8s.io run --rm slipway.local/busybox:1 hello sh -c "id -un; which wget nc httpd nslookup"';
    t.regex(await server.exec(`${hello} </dev/null`), /root\n\/bin\/wget\n\/bin\/nc/);
  } finally {
    await lab.close();
  }
  t.deepEqual(await leftovers(lab.id), []);
});
