#!/bin/bash
# supervise.sh LABDIR SERVER: the hardware of one server. It boots, boots again on reboot(2), and ends when
# the server powers off or loses its power. State is in LABDIR/servers/SERVER: env, cgroups, console.log.
set -u
dir=$1/servers/$2
. "$dir/env" # NAME FABRIC NETNS PORT ADDRESS ADDRESS6 MAC BASE CGROUPS INIT
while read -r group; do echo $$ >"$group/cgroup.procs" || exit 1; done <"$dir/cgroups"

# A boot starts with an empty kernel: no address, route or rule of the last one is left.
plug() {
  ip -n "$FABRIC" link del "$PORT" 2>/dev/null
  ip netns del "$NETNS" 2>/dev/null
  ip netns add "$NETNS" &&
    ip link add eth0 netns "$NETNS" address "$MAC" type veth peer name "$PORT" netns "$FABRIC" &&
    ip -n "$FABRIC" link set "$PORT" master br0 &&
    ip -n "$NETNS" link set lo up && ip -n "$NETNS" link set eth0 up &&
    ip -n "$NETNS" addr add "$ADDRESS/24" dev eth0 &&
    ip -n "$NETNS" addr add "$ADDRESS6/64" dev eth0 nodad &&
    ip -n "$NETNS" route add default via 10.77.0.1 || return 1
  [ -e "$dir/link-down" ] || ip -n "$FABRIC" link set "$PORT" up
}

while :; do
  plug >>"$dir/console.log" 2>&1 || { echo "supervise: no network" >>"$dir/console.log"; break; }
  nsenter --net="/run/netns/$NETNS" unshare --mount --uts --ipc --pid --cgroup --fork --kill-child=KILL \
    --propagation slave "$INIT" "$dir" "$NAME" "$BASE" "$CGROUPS" >>"$dir/console.log" 2>&1 </dev/null &
  echo $! >"$dir/unshare.pid"
  wait $!
  code=$?
  rm -f "$dir/unshare.pid"
  echo "supervise: init ended with $code" >>"$dir/console.log"
  [ $code = 129 ] || break # 129: reboot(2) was called; 130: poweroff; anything else: power cut
done
