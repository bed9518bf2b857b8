#!/usr/bin/env bash
# docker.sh [--node-image] COMMAND... runs a command with a Docker daemon. One that answers is used as it is. Where none
# does, one is started for the command alone (see dockerd.sh), which reaches no registry: with --node-image the node image
# of kind is made there first, and NODE_IMAGE names it to the command. Podman needs no daemon: the command has it as it is,
# where it is asked for, or where there is no docker.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

make_image=
if [ "${1:-}" = --node-image ]; then
	make_image=1
	shift
fi

if [ -z "${KIND_EXPERIMENTAL_PROVIDER:-}" ] && [ "$(id -u)" -eq 0 ] && ! command -v docker >/dev/null && command -v podman >/dev/null; then
	export KIND_EXPERIMENTAL_PROVIDER=podman
fi
if [ "${KIND_EXPERIMENTAL_PROVIDER:-}" = podman ]; then
	exec "$@"
fi
scripts/need.sh docker:docker.io
if docker version >/dev/null 2>&1; then
	exec "$@"
fi
for word in "$@" ${ARGS:-}; do
	if [ "$word" = --keep ]; then
		echo "--keep needs a Docker daemon that stays, and none answers here: start it first (sudo systemctl start docker)" >&2
		exit 3
	fi
done
if [ "$(id -u)" -ne 0 ]; then
	echo "no Docker daemon answers this user. Run this once, log in again, then try again:" >&2
	if ! command -v dockerd >/dev/null; then echo "  sudo apt-get update && sudo apt-get install --yes --no-install-recommends docker.io" >&2; fi
	echo "  sudo systemctl start docker && sudo usermod --append --groups docker $(id -un)" >&2
	exit 3
fi
scripts/need.sh dockerd:docker.io ip:iproute2 iptables:iptables
if docker version >/dev/null 2>&1; then # the package has started it
	exec "$@"
fi

cache=${FAULTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/faultline}
mkdir -p "$cache"
exec {lock}>"$cache/docker.lock"
if ! flock --nonblock "$lock"; then
	echo "another run has a daemon in $cache/docker, waiting for its end"
	flock "$lock"
fi
run=$(mktemp --directory --tmpdir faultline-docker.XXXXXX)
echo "no Docker daemon answers: starting one for this command, in namespaces of its own"
# The daemon ends when its standard input does: with this script, however that ends. It keeps the lock until it has ended.
exec {life}> >(exec setsid --wait unshare --mount --net --pid --fork --mount-proc scripts/dockerd.sh "$cache/docker" "$run")
daemon=$!
export DOCKER_HOST="unix://$run/docker.sock"
unset DOCKER_CONTEXT

# stop waits until nothing is left of the daemon.
stop() {
	exec {life}>&-
	wait "$daemon" || true
}
trap stop EXIT

until docker version >/dev/null 2>&1; do
	if ! kill -0 "$daemon" 2>/dev/null; then
		echo "the Docker daemon did not start: the end of what it said is above" >&2
		exit 3
	fi
	sleep 0.2
done
# A daemon that was killed leaves its containers; none is meant to outlive it.
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker network prune --force >/dev/null

# in_daemon runs a command in a process group of its own and hands that the signals that this script gets. Without job
# control it would ignore SIGINT.
in_daemon() {
	local code signalled interrupted=
	set -o monitor
	"$@" {life}>&- {lock}>&- &
	set +o monitor
	command=$!
	trap 'signalled=1; kill -INT -- "-$command" 2>/dev/null || true' INT
	trap 'signalled=1; kill -TERM -- "-$command" 2>/dev/null || true' TERM HUP
	# A signal ends the wait, not the command.
	while code=0 signalled=; wait "$command" || code=$?; [ -n "$signalled" ]; do interrupted=1; done
	# A shell ends by it before what it runs has cleaned up, and needs the daemon for that.
	while [ -n "$interrupted" ] && kill -0 -- "-$command" 2>/dev/null; do sleep 0.1; done
	trap - INT TERM HUP
	return "$code"
}

if [ -n "$make_image" ] && [ -z "${NODE_IMAGE:-}" ]; then
	if ! bin/faultline kind image --check >/dev/null 2>&1; then
		scripts/need.sh debootstrap:debootstrap
	fi
	in_daemon bin/faultline kind image >"$run/node-image"
	NODE_IMAGE=$(<"$run/node-image")
	export NODE_IMAGE
fi
in_daemon "$@"
