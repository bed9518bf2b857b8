#!/usr/bin/env bash
# Runs the specs on kind clusters, with a Docker daemon for them where none answers. Arguments and environment: see e2e.sh.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
filter=kind
for arg in "$@"; do
	case "$arg" in --label-filter=*) filter="$filter && (${arg#*=})" ;; esac
done
# One trial at a time: each has a cluster of up to three nodes to itself.
exec scripts/docker.sh --node-image scripts/e2e.sh --procs=1 --junit-report=e2e-kind.xml "$@" --label-filter="$filter"
