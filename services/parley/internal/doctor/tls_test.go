package doctor

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/certs/certstest"
)

func TestTLS(t *testing.T) {
	f := certstest.NewAuthority(t).Files(t.TempDir(), "chat.example")
	of := func(r *Report) (list []Result) {
		for _, one := range r.Results {
			if one.Check == "tls" {
				list = append(list, one)
			}
		}
		return list
	}
	if got := of(examine(t, settings(t, nil, "--data", t.TempDir()))); len(got) != 0 {
		t.Errorf("without TLS: %v", got)
	}
	args := []string{"--data", t.TempDir(), "--tls-cert-file", f.Cert, "--tls-key-file", f.Key}
	if got := of(examine(t, settings(t, nil, args...))); len(got) != 1 || got[0].Status != OK || !strings.Contains(got[0].Found, "chat.example") {
		t.Errorf("a good one: %v", got)
	}
	if err := os.WriteFile(f.Key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := of(examine(t, settings(t, nil, args...))); len(got) != 1 || got[0].Status != Fail {
		t.Errorf("a broken key %s: %v", filepath.Base(f.Key), got)
	}
}

func TestJudgeCertificate(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		leaf x509.Certificate
		want Status
	}{
		"good":                       {x509.Certificate{DNSNames: []string{"a"}, NotBefore: now.Add(-60 * day), NotAfter: now.Add(30 * day)}, OK},
		"nobody renews it":           {x509.Certificate{DNSNames: []string{"a"}, NotBefore: now.Add(-80 * day), NotAfter: now.Add(10 * day)}, Warn},
		"meant for a week":           {x509.Certificate{DNSNames: []string{"a"}, NotBefore: now.Add(-day), NotAfter: now.Add(6 * day)}, OK},
		"over":                       {x509.Certificate{DNSNames: []string{"a"}, NotBefore: now.Add(-90 * day), NotAfter: now.Add(-time.Second)}, Fail},
		"not yet":                    {x509.Certificate{DNSNames: []string{"a"}, NotBefore: now.Add(day), NotAfter: now.Add(90 * day)}, Fail},
		"a name in the subject only": {x509.Certificate{NotBefore: now.Add(-day), NotAfter: now.Add(90 * day)}, Fail},
	} {
		f := &findings{check: "tls"}
		if judgeCertificate(f, &c.leaf, now); f.list[0].Status != c.want {
			t.Errorf("%s: %+v", name, f.list)
		}
	}
}
