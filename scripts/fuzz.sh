#!/usr/bin/env bash
# Runs each fuzz target for FUZZTIME (default 1m).
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
grep -rl --include='*_test.go' '^func Fuzz' harness | while read -r file; do
	grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | while read -r _ target; do
		echo "== $target in $(dirname "$file")"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" "./$(dirname "$file")"
	done
done
