#!/usr/bin/env bash
# Runs a scenario, or with NAME=--all every one. From the environment: NAME, VARIANT, RUNTIME, KERNEL, REPORT, ARGS
# (see the Makefile); NODE_IMAGE, the node image of kind clusters (default: the binary's).
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

if [ -z "${NAME:-}" ]; then
	echo "which scenario? make scenario NAME=..., with one of:" >&2
	bin/faultline list >&2
	exit 2
fi
scripts/deps.sh
if [ "${RUNTIME:-}" = kind ] && [ -z "${WITH_DOCKER:-}" ]; then
	WITH_DOCKER=1 exec scripts/docker.sh --node-image scripts/scenario.sh
fi

args=(run "$NAME" --runtime "${RUNTIME:-auto}")
if [ -n "${VARIANT:-}" ]; then args+=(--variant "$VARIANT"); fi
if [ -n "${KERNEL:-}" ]; then args+=(--kernel "$KERNEL"); fi
if [ -n "${REPORT:-}" ]; then args+=(--report "$REPORT"); fi
if [ "${RUNTIME:-}" = kind ] && [ -n "${NODE_IMAGE:-}" ]; then args+=(--node-image "$NODE_IMAGE"); fi
# shellcheck disable=SC2206 # ARGS is a list of words by intent
args+=(${ARGS:-})
# make prints its own error line and exits 2 whatever the code was; the code itself is in the last line.
bin/faultline "${args[@]}" || { code=$?; echo "exit code $code" >&2; exit "$code"; }
