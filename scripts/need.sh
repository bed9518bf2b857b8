#!/usr/bin/env bash
# need.sh TOOL:PACKAGE[,PACKAGE]... sees that the tools are there. As root it installs the Debian packages of those that
# are not and says so; without root it prints the command to run and exits 3.
set -o errexit -o nounset -o pipefail

# A tool may live in sbin, which an unprivileged PATH leaves out.
PATH="$PATH:/usr/sbin:/sbin"
missing=()
for pair in "$@"; do
	if ! command -v "${pair%%:*}" >/dev/null; then
		IFS=, read -r -a packages <<<"${pair#*:}"
		missing+=("${packages[@]}")
	fi
done
if [ "${#missing[@]}" -eq 0 ]; then
	exit 0
fi

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if ! command -v apt-get >/dev/null; then
	echo "these tools are needed, by the names of their Debian packages: ${missing[*]}" >&2
	exit 3
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "Debian packages are needed that are not installed. Run this once, then try again:" >&2
	echo "  sudo apt-get update && sudo ${install[*]}" >&2
	exit 3
fi
echo "installing Debian packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && "${install[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "could not install ${missing[*]}: the log's end is above" >&2
	exit 3
fi
