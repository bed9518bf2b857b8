#!/usr/bin/env bash
# Builds bin/faultline: static, because the same binary is the init of the guest.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

if ! command -v go >/dev/null; then
	echo "faultline is built with Go $(awk '$1 == "go" {print $2}' go.mod) or newer, and there is no go on the PATH: see https://go.dev/doc/install" >&2
	exit 3
fi
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/faultline .
