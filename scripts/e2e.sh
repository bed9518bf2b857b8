#!/usr/bin/env bash
# Runs the Ginkgo suites against bin/faultline. Further arguments go to ginkgo: scripts/e2e.sh --label-filter=lifecycle
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
mkdir -p build/reports
go run github.com/onsi/ginkgo/v2/ginkgo -v --show-node-events=false --output-dir=build/reports --junit-report=e2e.xml "$@" ./e2e/...
