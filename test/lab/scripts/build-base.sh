#!/bin/sh
# build-base.sh TARGET PACKAGES: a bare Debian 12 server tree at TARGET, made once. Runs under flock; a
# half-made tree never takes TARGET's name.
set -eu
target=$1 packages=$2
[ -d "$target" ] && exit 0
part=$target.part
rm -rf "$part"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mmdebstrap --quiet --variant=minbase --mode=root --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Check-Valid-Until "false"' \
  bookworm "$part" \
  "deb [signed-by=$keyring] http://deb.debian.org/debian bookworm main" \
  "deb [signed-by=$keyring] http://deb.debian.org/debian bookworm-updates main" \
  "deb [signed-by=$keyring] http://deb.debian.org/debian-security bookworm-security main" </dev/null >&2

: >"$part/etc/machine-id"
rm -rf "$part"/var/cache/apt/* "$part"/var/lib/apt/lists/* "$part"/etc/ssh/ssh_host_*
# What has no meaning in a namespace (devices, kernel modules, consoles) or wakes up by a timer.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
  systemd-udevd-kernel.socket apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer fstrim.timer e2scrub_reap.service getty.target console-getty.service \
  systemd-pstore.service systemd-modules-load.service sys-kernel-config.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount; do
  ln -sfn /dev/null "$part/etc/systemd/system/$unit"
done
chroot "$part" systemctl set-default -q multi-user.target
chroot "$part" useradd -m -s /bin/bash -G sudo ops
printf 'ops:opspw\nroot:rootpw\n' | chroot "$part" chpasswd
mkdir -p "$part/etc/ssh/sshd_config.d" "$part/etc/systemd/journald.conf.d"
# MaxStartups: an installer and several tests may log in at the same moment.
printf 'PermitRootLogin yes\nPasswordAuthentication yes\nUseDNS no\nMaxStartups 50:30:100\n' \
  >"$part/etc/ssh/sshd_config.d/lab.conf"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitBurst=0\n' \
  >"$part/etc/systemd/journald.conf.d/lab.conf"
install -d -m700 "$part/root/.ssh"
chroot "$part" install -d -m700 -o ops -g ops /home/ops/.ssh
mv "$part" "$target"
