#!/usr/bin/env bash
# Runs the unit tests with the race detector, which needs a C compiler.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/need.sh gcc:gcc,libc6-dev
# Four packages at once, on two processors too: those that take longest wait for timeouts, guests and kube-proxies.
CGO_ENABLED=1 go test -race -p 4 ./harness/... ./topologies/... ./scenarios/...
