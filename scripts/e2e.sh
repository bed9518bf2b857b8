#!/usr/bin/env bash
# Runs the Ginkgo suites against bin/faultline. Further arguments go to ginkgo: scripts/e2e.sh --label-filter=lifecycle
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
mkdir -p build/reports
colour=()
[ -t 1 ] || colour=(--no-color)
go run github.com/onsi/ginkgo/v2/ginkgo -v "${colour[@]}" --show-node-events=false --output-dir=build/reports --junit-report=e2e.xml "$@" ./e2e/...
