#!/usr/bin/env bash
# Writes the golden files anew. Read the difference before you commit it.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
for package in $(grep -rl --include='*_test.go' 'golden\.Check' harness | xargs -n1 dirname | sort -u); do
	go test "./$package" -update
done
scripts/build.sh
go test ./e2e -update -ginkgo.label-filter=files
git --no-pager diff --stat
