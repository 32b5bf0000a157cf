#!/bin/bash
# server-init.sh DIR NAME BASE CGROUPS: first process of a server's own pid, mount, uts, ipc and cgroup
# namespaces. It builds the root file system and becomes systemd. CGROUPS is v1 or v2, as the machine has it.
set -e
dir=$1 name=$2 base=$3 cgroups=$4 root=$1/root
mount --make-rprivate /
mount -t overlay "overlay-$name" -o "lowerdir=$base,upperdir=$dir/upper,workdir=$dir/work" "$root"
# A real file system under /var: overlayfs cannot hold the upper layers of containerd's own overlays.
mount --bind "$dir/var" "$root/var"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o nosuid,mode=755,size=64m dev "$root/dev"
for device in null:1:3:666 zero:1:5:666 full:1:7:666 random:1:8:666 urandom:1:9:666 tty:5:0:666 \
  fuse:10:229:666 kmsg:1:3:644; do
  IFS=: read -r node major minor mode <<<"$device"
  mknod -m "$mode" "$root/dev/$node" c "$major" "$minor"
done
mkdir -p "$root"/dev/{net,pts,shm,mqueue}
mknod -m 666 "$root/dev/net/tun" c 10 200
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for link in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${link%:*}" "$root/dev/${link#*:}"; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o nosuid,nodev shm "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs -o nosuid,nodev,mode=755 run "$root/run"
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp "$root/tmp"
if [ "$cgroups" = v2 ]; then
  mount -t cgroup2 -o nsdelegate cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o nosuid,nodev,noexec,mode=755 cgroup "$root/sys/fs/cgroup"
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "nosuid,nodev,noexec,$controller" cgroup "$root/sys/fs/cgroup/$controller"
  done
  mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup/unified"
fi
# Of the kernel's settings only /proc/sys/net is the server's own; the others would change the machine.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,ro,nosuid,nodev,noexec "$root/proc/sys"
[ ! -e "$root/proc/sysrq-trigger" ] || mount --bind /dev/null "$root/proc/sysrq-trigger"
cat /proc/sys/kernel/random/uuid >"$root/run/.boot_id"
mount --bind "$root/run/.boot_id" "$root/proc/sys/kernel/random/boot_id"
hostname "$name"
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old 2>/dev/null || true
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  LANG=C.UTF-8 /lib/systemd/systemd --log-target=journal-or-kmsg </dev/null >/dev/null 2>&1
