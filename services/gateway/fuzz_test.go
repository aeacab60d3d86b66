package gateway

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire/hostile"
)

// FuzzREST: whatever is asked of a gateway over HTTP, by somebody who may do
// everything, no answer is a defect's, and the store is asked for ids alone.
func FuzzREST(f *testing.F) {
	const group = "g_abcdefghijklmnopqrstuvwxyz"
	fill := strings.NewReplacer("{conv}", group, "{user}", "bob", "{seq}", "1", "{id}", "a_gjpk4j7b36ucspkzkwvp6hgvxu", "{device}", "d", "{emoji}", "%F0%9F%91%8D")
	for _, op := range spec.Operations {
		if op.By&spec.Gateway != 0 && op.ID != "connect" {
			f.Add(op.Method, fill.Replace(op.Path), "cmid=c", bodies[op.ID])
		}
	}
	for _, text := range hostile.Texts {
		f.Add("PUT", "/v1/blocks/"+url.PathEscape(text), "cmid="+url.QueryEscape(text), `{"title":`+hostile.Quoted(text)+`,"cmid":"c"}`)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(testSecret)})
	if err != nil {
		f.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{User: "operator", Scopes: []string{auth.ScopeOperator, auth.ScopeRevokeAny, auth.ScopeSendAny}}, 24*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: []byte(testSecret)})
	if err != nil {
		f.Fatal(err)
	}
	st := memstore.New(memstore.Options{Atomic: true})
	wrong := onlyIDs(st)
	meta, err := st.Meta(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	g, err := New(f.Context(), Options{Store: st, Bus: deafBus{}, Verifier: verifier, Meta: meta, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { g.Drain(f.Context()) })
	h := g.Handler()
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if !strings.HasPrefix(path, "/") || path == "/v1/ws" || strings.ContainsAny(method, " \r\n\x00") || method == "" {
			return
		}
		u, err := url.Parse("http://chat.example" + path)
		if err != nil {
			return
		}
		u.RawQuery = query
		r := httptest.NewRequest("GET", "http://chat.example/", io.NopCloser(strings.NewReader(body)))
		r.Method, r.URL = method, u
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %s?%s %q: %d %s", method, path, query, body, w.Code, w.Body)
		}
		if asked := wrong(); len(asked) > 0 {
			t.Fatalf("%s %s?%s %q: the store was asked for %q", method, path, query, body, asked)
		}
	})
}
