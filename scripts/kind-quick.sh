#!/usr/bin/env bash
# Runs on kind what fits into CI's time, after make test: a run that succeeds, one that is killed while it starts Pods
# (label quick), and one variant of a scenario with all of its fixes. Only where make test has not run all of them, which it
# does where a Docker daemon answers, and where the node image need not be built first.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

if docker version >/dev/null 2>&1; then
	echo "kind: a Docker daemon answers, so the suites have run on clusters already"
	exit 0
fi
lacks=
if [ "$(id -u)" -ne 0 ]; then lacks="no Docker daemon answers, and it takes root to start one"; fi
if [ -z "$lacks" ]; then lacks=$(bin/faultline kind image --check 2>&1 >/dev/null) || true; fi
if [ -n "$lacks" ]; then
	cat >&2 <<-EOF

		NOT RUN: everything on kind clusters.
		  $lacks
		  To run it: make kind-image (once: about a quarter of an hour and 10 GB of disk), then make e2e-kind

	EOF
	exit 0
fi
echo "== kind"
# shellcheck disable=SC2016 # the variables are for the inner shell
scripts/docker.sh --node-image bash -o errexit -c '
	scripts/e2e-kind.sh --label-filter=quick
	NAME=macvlan-calico RUNTIME=kind ARGS="--variant kube-proxy" scripts/scenario.sh'
