#!/usr/bin/env bash
# Makes the node image of kind and prints its tag. From the environment: ARGS (see the Makefile).
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

scripts/need.sh debootstrap:debootstrap
# shellcheck disable=SC2206 # ARGS is a list of words by intent
args=(${ARGS:-})
scripts/docker.sh bin/faultline kind image "${args[@]}" || { code=$?; echo "exit code $code" >&2; exit "$code"; }
