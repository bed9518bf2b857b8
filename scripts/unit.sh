#!/usr/bin/env bash
# Runs the unit tests with the race detector, which needs a C compiler.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/need.sh gcc:gcc,libc6-dev
CGO_ENABLED=1 go test -race ./harness/... ./topologies/... ./scenarios/...
