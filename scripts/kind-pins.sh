#!/usr/bin/env bash
# Writes anew what the node image of kind is made of: the modules of a version of Kubernetes, and Debian's packages as they
# are now. Read the difference before you commit it.
#
#   scripts/kind-pins.sh v1.36.3 v3.6.8 v1.14.2 v1.9.1      Kubernetes, etcd and CoreDNS as its kubeadm wants them, CNI plugins
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

if [ "$#" -ne 4 ]; then
	echo "want four versions: of Kubernetes, of etcd and CoreDNS as 'kubeadm config images list' has them, of the CNI plugins" >&2
	exit 2
fi
scripts/need.sh debootstrap:debootstrap
mkdir -p "harness/lab/kind/image/modules/$1"
# go embeds what is there: a first file makes the package compile.
touch harness/lab/kind/image/packages "harness/lab/kind/image/modules/$1/kubernetes.mod"
go test ./harness/lab/kind/image -run '^TestPin$' -count=1 -pin "$1,$2,$3,$4"
git --no-pager diff --stat
