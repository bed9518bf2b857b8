#!/usr/bin/env bash
# Runs the linters: Go (golangci-lint, pinned in scripts/tools), shell, YAML and GitHub's workflows.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

PATH="$PATH:/usr/sbin:/sbin" scripts/need.sh shellcheck:shellcheck yamllint:yamllint
echo "lint: Go (the linter itself is built first, once: a few minutes)"
go tool -modfile=scripts/tools/go.mod golangci-lint run ./...
echo "lint: shell"
shellcheck scripts/*.sh .ci/run harness/lab/kind/image/*.sh
echo "lint: YAML"
yamllint --strict .
echo "lint: workflows"
go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 # golangci-lint wants another version of its YAML parser
echo "lint: modules"
go mod tidy -diff
