package certs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/certs/certstest"
)

// Certificates of certstest are good for 12 hours, its authorities for 24.
func TestExpiries(t *testing.T) {
	ca := certstest.NewAuthority(t)
	dir := t.TempDir()
	f := ca.Files(dir, "127.0.0.1")
	leaf, err := os.ReadFile(f.Cert)
	if err != nil {
		t.Fatal(err)
	}
	both, junk := filepath.Join(dir, "both.pem"), filepath.Join(dir, "junk.pem")
	write := func(name string, parts ...[]byte) {
		t.Helper()
		if err := os.WriteFile(name, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(both, ca.PEM, leaf)
	write(junk, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	var e Expiries
	if _, ok := e.Soonest(time.Now()); ok {
		t.Error("there is none")
	}
	if _, err := Load(Options{CertFile: f.Cert, KeyFile: f.Key, Expiries: &e}); err != nil {
		t.Fatal(err)
	}
	e.Chain("chain", both)
	e.Authorities("authorities", both)
	e.Authorities("junk", junk)
	e.Chain("away", filepath.Join(dir, "nothing"))
	e.Chain("none", "")
	now := time.Now()
	hours := func(now time.Time) map[string]int {
		list := map[string]int{}
		for name, left := range e.Left(now) {
			list[name] = int(left.Round(time.Hour).Hours())
		}
		return list
	}
	if got := hours(now); len(got) != 3 || got["clients"] != 12 || got["chain"] != 12 || got["authorities"] != 24 {
		t.Errorf("%v", got)
	}
	if d, ok := e.Soonest(now.Add(13 * time.Hour)); !ok || d.Round(time.Hour) != -time.Hour {
		t.Errorf("%v %v", d, ok)
	}
	// Files are read again, but not for everybody who asks.
	write(both, ca.PEM)
	later := now.Add(13 * time.Hour)
	if got := hours(later); got["chain"] != -1 {
		t.Errorf("read again at once: %v", got)
	}
	if got := hours(later.Add(Every)); got["chain"] != 11 || got["clients"] != -1 {
		t.Errorf("%v", got)
	}
	var none *Expiries
	none.Chain("x", both)
	if len(none.Left(now)) != 0 {
		t.Error("nil has one")
	}
}
