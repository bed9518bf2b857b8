#!/usr/bin/env bash
# dockerd.sh DATA RUN runs a Docker daemon as the first process of its own pid, mount and network namespaces, until its
# standard input ends. Its images are in the directory DATA; its socket, and all that ends with it, in the directory RUN.
#
# What dockerd leaves behind on a machine (docker0, chains in iptables, the policy of FORWARD, net.ipv4.ip_forward, mounts,
# its key in /etc/docker, shims of containers) is in these namespaces, and goes with them. Only cgroups have to be removed.
set -o errexit -o nounset -o pipefail
data=$1 run=$2
parent=$(basename "$run")

# forget removes what the namespaces do not: the cgroups, deepest first, and RUN.
forget() {
	trap - EXIT
	disown -a # nothing is to be said of what is killed here
	# A cgroup can be removed once its processes are gone. Those of containers are in this pid namespace too.
	local processes=(/proc/[0-9]*)
	while [ "${#processes[@]}" -gt 1 ]; do
		kill -KILL -1 2>/dev/null || true
		sleep 0.1
		processes=(/proc/[0-9]*)
	done
	find /sys/fs/cgroup -depth -path "*/$parent*" -type d -exec rmdir {} + 2>/dev/null || true
	rm -rf "$run"
}
trap forget EXIT
trap '' INT TERM HUP

mkdir -p "$data" "$run/exec"
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/etc /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work overlay /etc
echo '{}' >"$run/daemon.json"

# cgroupfs: systemd, where there is one, is of the machine's namespaces.
TMPDIR="$run" dockerd --config-file "$run/daemon.json" --data-root "$data" --exec-root "$run/exec" --pidfile "$run/pid" \
	--host "unix://$run/docker.sock" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$parent" \
	</dev/null >"$run/log" 2>&1 &
daemon=$!
# Whichever ends first: the standard input, or the daemon.
cat <&0 >/dev/null &
wait -n || true
if ! kill -TERM "$daemon" 2>/dev/null; then
	tail -n 20 "$run/log" >&2
	exit 1
fi
wait "$daemon" || true
