#!/usr/bin/env bash
# Sees that the tools are there which labs are made with.
set -o errexit -o nounset -o pipefail

exec "$(dirname "$0")/need.sh" \
	ip:iproute2 nft:nftables iptables-save:iptables ipset:ipset conntrack:conntrack sysctl:procps \
	qemu-system-x86_64:qemu-system-x86 dpkg-deb:dpkg
