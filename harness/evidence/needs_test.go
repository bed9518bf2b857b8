package evidence

import "testing"

func TestMissing(t *testing.T) {
	for _, row := range []struct{ needs, kernel, want string }{
		{"", "5.10.0", ""},
		{"5.13", "5.10.0-28-cloud-amd64", "needs kernel 5.13 or newer, here it is 5.10.0-28-cloud-amd64"},
		{"5.13", "5.13.0", ""},
		{"5.13", "6.1", ""},
		{"5.13", "4.19.1", "needs kernel 5.13 or newer, here it is 4.19.1"},
		{"6.1", "6.12+deb13-amd64", ""},
		{"5.13", "unknown", ""},
	} {
		if got := (Needs{Kernel: row.needs}).Missing(row.kernel); got != row.want {
			t.Errorf("%q on %q: %q, want %q", row.needs, row.kernel, got, row.want)
		}
	}
}

func TestMissingKubeProxy(t *testing.T) {
	for _, row := range []struct{ needs, have, want string }{
		{"1.31", "v1.29.6", "needs kube-proxy v1.31 or newer, here it is v1.29.6"},
		{"1.31", "v1.31.0", ""},
		{"1.31", "v1.36.3", ""},
		{"", "v1.29.6", ""},
		{"1.31", "", ""}, // none runs
	} {
		if got := (Needs{KubeProxy: row.needs}).MissingKubeProxy(row.have); got != row.want {
			t.Errorf("%s, %s: got %q, want %q", row.needs, row.have, got, row.want)
		}
	}
}
