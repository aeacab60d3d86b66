package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/store"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		hello   hello
		refused bool
		warned  bool
	}{
		{"replica set", hello{SetName: "rs0"}, false, false},
		{"mongos", hello{Msg: "isdbgrid"}, false, false},
		{"standalone", hello{}, false, true},
		{"arbiter", hello{SetName: "rs0", Arbiters: []string{"c:27017"}}, true, false},
	} {
		warning, err := c.hello.check()
		if errors.Is(err, ErrArbiter) != c.refused || (warning != "") != c.warned {
			t.Errorf("%s: warning %q, error %v", c.name, warning, err)
		}
	}
}

func TestDatabaseOf(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://h":                            DefaultDatabase,
		"mongodb://h/":                           DefaultDatabase,
		"mongodb://h/chat":                       "chat",
		"mongodb://u:p%2F@h1:1,h2:2/chat?w=1":    "chat",
		"mongodb+srv://u:p@h/?authSource=admin/": DefaultDatabase,
	} {
		if got := databaseOf(uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://h:1/x":                        "mongodb://h:1/x",
		"mongodb://u:p@h:1/x":                    "mongodb://[redacted]@h:1/x",
		"mongodb://u:p@q/r@h:1/x?a=b&c=d@e":      "mongodb://[redacted]@e",
		"mongodb+srv://h/x?tls=true&token=t;k=v": "mongodb+srv://h/x?tls=[redacted]&token=[redacted]&k=[redacted]",
		"u:p@h":                                  "[redacted]",
	} {
		if got := Redact(uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

// TestClean: a redacted error hides the password, short or encoded, and is still
// told apart.
func TestClean(t *testing.T) {
	r := newRedactor("mongodb://alice:n%40t@h/?tlsCertificateKeyFilePassword=k%2Bey&authMechanismProperties=A:b-c,D:e-f")
	for _, text := range []string{"n%40t", "n@t", "k%2Bey", "k+ey", "b-c", "e-f", "alice:n%40t"} {
		inner := fmt.Errorf("reading %q: %w", text, store.ErrNotFound)
		got := r.clean(inner)
		if strings.Contains(got.Error(), text) || strings.Contains(fmt.Sprintf("%+v", got), text) {
			t.Errorf("%v shows %q", got, text)
		}
		if !errors.Is(got, store.ErrNotFound) || errors.Unwrap(got) != nil {
			t.Errorf("%v: not found %v, unwraps to %v", got, errors.Is(got, store.ErrNotFound), errors.Unwrap(got))
		}
	}
	plain := fmt.Errorf("reading: %w", context.Canceled)
	if got := r.clean(plain); got != plain {
		t.Errorf("an error without secrets became %v", got)
	}
}
