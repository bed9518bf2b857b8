#!/usr/bin/env bash
# Runs the Ginkgo suites against bin/faultline. From the environment: KERNELS, further kernels of guests, as
# SCENARIO:KERNEL and separated by commas; NODE_IMAGE, the node image of kind clusters (default: the binary's); EVERY=1 makes
# it a failure where a scenario could run nowhere. Further arguments go to ginkgo: scripts/e2e.sh --label-filter=lifecycle
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
mkdir -p build/reports
colour=()
[ -t 1 ] || colour=(--no-color)
suite=(-kernels "${KERNELS:-}" -node-image "${NODE_IMAGE:-}")
[ -z "${EVERY:-}" ] || suite+=(-every)
# Three at once, on two processors too: specs in netns wait for timeouts nine tenths of their time, those in an emulated
# guest a third of it. With more, guests would be emulated by turns.
go run github.com/onsi/ginkgo/v2/ginkgo -v --procs=3 "${colour[@]}" --show-node-events=false --output-dir=build/reports --junit-report=e2e.xml "$@" ./e2e/... -- "${suite[@]}"
