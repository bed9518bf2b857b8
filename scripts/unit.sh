#!/usr/bin/env bash
# Runs the unit tests with the race detector.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
go test -race ./harness/... ./topologies/... ./scenarios/...
