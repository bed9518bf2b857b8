# shellcheck shell=sh
# Runs as the first process of a container that is to become a node: gives its containerd the images that come in on
# standard input, and prints their names.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
containerd --log-level warn >/tmp/containerd.log 2>&1 &
pid=$!
until ctr version >/dev/null 2>&1; do
	kill -0 $pid || {
		cat /tmp/containerd.log >&2
		exit 1
	}
	sleep 0.1
done
ctr --namespace k8s.io images import --no-unpack - >/dev/null
ctr --namespace k8s.io images ls --quiet
kill $pid
wait $pid || true
rm -rf /run/containerd /tmp/containerd.log
