package feature

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// exists asks for a file as the namespace shows it.
func exists(p Place, name string) (bool, error) {
	err := p.Do(func() error {
		_, err := os.Stat(name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func bridgeNetfilter(_ context.Context, p Place) error {
	ok, err := exists(p, "/proc/sys/net/bridge/bridge-nf-call-iptables")
	if err != nil || ok {
		return err
	}
	return module("br_netfilter", "br_netfilter", "there is no net.bridge.bridge-nf-call-iptables")
}

func ipv6(_ context.Context, p Place) error {
	ok, err := exists(p, "/proc/sys/net/ipv6/conf/all/forwarding")
	if err != nil || ok {
		return err
	}
	return &no{missingIPv6}
}
