#!/usr/bin/env bash
# Measures labs up and down beside an ip -batch script, the guest's boot and a whole scenario, and prints one table.
# Further arguments go to go test: scripts/bench.sh -bench 'Faultline/lab'
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
mkdir -p build
table=$PWD/build/bench.txt
if ! said=$(go test -run '^$' -bench Faultline -benchtime 10x -timeout 30m "$@" ./e2e -args -table "$table" 2>&1); then
	echo "$said" >&2
	exit 1
fi
echo "$(nproc) CPUs, load $(cut -d ' ' -f 1 /proc/loadavg), kernel $(uname -r), $(go env GOVERSION)"
cat "$table"
