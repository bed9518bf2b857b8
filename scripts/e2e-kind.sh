#!/usr/bin/env bash
# Runs the specs on kind clusters, with a Docker daemon for them where none answers. Arguments and environment: see e2e.sh.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
filter=kind
for arg in "$@"; do
	case "$arg" in --label-filter=*) filter="$filter && (${arg#*=})" ;; esac
done
# Two at once: clusters do not wait, they compute.
exec scripts/docker.sh --node-image scripts/e2e.sh --procs=2 --junit-report=e2e-kind.xml "$@" --label-filter="$filter"
