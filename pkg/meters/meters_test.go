package meters_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestTokensAndCalls(t *testing.T) {
	port := ops.New(ops.Options{})
	secret := auth.NewSecret()
	v, err := auth.NewVerifier(auth.Options{HS256Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	good, err := signer.Sign(auth.Identity{User: "alice"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tokens := meters.Tokens(&port.Metrics, v, nil)
	for token, ok := range map[string]bool{good: true, "": false, "x.y.z": false, good[:len(good)-2]: false} {
		if _, err := tokens.Verify(token); (err == nil) != ok {
			t.Errorf("%q: %v", token, err)
		}
	}
	st := meters.Store(&port.Metrics, nil, memstore.New(memstore.Options{}))
	if err := st.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	port.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`parley_auth_tokens_total{outcome="ok"} 1`,
		`parley_auth_tokens_total{outcome="missing"} 1`,
		`parley_auth_tokens_total{outcome="expired"} 0`,
		`parley_auth_key_fetches_total{outcome="error"} 0`,
		`parley_auth_keys 0`,
		`parley_store_call_seconds_count{op="ping",outcome="ok"} 1`,
	} {
		if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(w.Body.String(), "alice") {
		t.Error("a user is named")
	}
}
