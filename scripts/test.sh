#!/usr/bin/env bash
# Runs all that this machine can prove: the unit tests, then every suite.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
echo "== unit tests"
scripts/unit.sh
echo "== suites"
scripts/e2e.sh
