# shellcheck shell=sh
# Runs as the first process of a container of what debootstrap unpacked: installs the packages, and makes of them what
# the Dockerfile of kind's base image makes of its own. /kind-files has that image's files.
export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
/debootstrap/debootstrap --second-stage
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /etc/dpkg/dpkg.cfg.d/unsafe-io /var/log/*.log /var/log/apt /etc/machine-id /var/lib/dbus/machine-id
# As in the slim image of Debian that kind begins with.
find /usr/share/doc -type f ! -name copyright -delete
rm -rf /usr/share/man /usr/share/info /usr/share/locale

# COPY
cp -r /kind-files/etc /kind-files/kind /kind-files/usr /
rm -rf /kind-files
mkdir -p /etc/kubernetes/manifests /opt/cni/bin /etc/cni/net.d

# RUN: no services but those of a node
rm -f /lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service /lib/systemd/system/multi-user.target.wants/* \
	/etc/systemd/system/*.wants/* /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
	/lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/*
echo ReadKMsg=no >>/etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd /sbin/init
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service

# containerd and runc are Debian's; the unit names them where kind builds them. A node in a container without
# CAP_SYS_RESOURCE cannot lower the score of what it starts, and where it can, a lab does without.
for program in containerd ctr containerd-shim-runc-v2; do ln -sf /usr/bin/$program /usr/local/bin/$program; done
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml
grep -q 'restrict_oom_score_adj = true' /etc/containerd/config.toml
ctr oci spec | jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' >/etc/containerd/cri-base.json

# The root of kube-proxy's image without kube-proxy: the tools that it runs, with their libraries. Those of the plugins of
# iptables too: without libm there is no statistic match, and no Service with two endpoints.
for program in sh mount kmod modprobe ip nft ipset conntrack xtables-nft-multi xtables-legacy-multi update-alternatives; do
	command -v $program
	readlink -f "$(command -v $program)"
done >/tmp/files
ls -d /bin /sbin /lib /lib64 /usr/sbin/ip*tables* /etc/alternatives/ip*tables* /usr/lib/*/xtables/*.so >>/tmp/files
grep ^/usr /tmp/files | while read -r file; do ldd "$file" 2>/dev/null || true; done | grep -o '/[^ ]*' | sort -u >/tmp/libraries
xargs readlink -f </tmp/libraries >/tmp/targets
# /lib and its like are links into /usr, and an archive with files on both paths would make directories of them.
cat /tmp/files /tmp/libraries /tmp/targets | sed -E 's,^/(bin|sbin|lib|lib64)/,/usr/\1/,; s,^/,,' | sort -u >/tmp/sorted
tar --create --no-recursion --numeric-owner --mtime=@0 --directory=/ --files-from=/tmp/sorted --file=/proxy.tar
rm -f /tmp/files /tmp/libraries /tmp/targets /tmp/sorted
