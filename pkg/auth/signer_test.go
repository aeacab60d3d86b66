package auth_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
)

func TestSignedTokensVerify(t *testing.T) {
	s, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(secret), Issuer: "dev", Audience: "parley", Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, auth.Options{Issuer: "dev", Audience: "parley"})
	tok, err := s.Sign(auth.Identity{NS: "acme", User: "alice", Scopes: []string{"send:any", "read"}, ID: "j"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Verify(tok)
	want := auth.Identity{NS: "acme", User: "alice", Expires: now.Add(time.Hour), Scopes: []string{"send:any", "read"},
		ID: "j", Issuer: "dev", IssuedAt: now, Service: "alice"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}

	seen := map[string]bool{}
	for range 2 {
		if tok, err = s.Sign(auth.Identity{User: "bob"}, time.Second); err != nil {
			t.Fatal(err)
		}
		if got, err = v.Verify(tok); err != nil || got.NS != "_" || got.ID == "" || seen[got.ID] || len(got.Scopes) > 0 {
			t.Errorf("got %+v, %v", got, err)
		}
		seen[got.ID] = true
	}
}

func TestSignRefuses(t *testing.T) {
	if _, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte("short")}); err == nil || strings.Contains(err.Error(), "short;") {
		t.Errorf("a short secret: %v", err)
	}
	s, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id  auth.Identity
		ttl time.Duration
	}{
		"no user":          {auth.Identity{}, time.Hour},
		"user with /":      {auth.Identity{User: "a/b"}, time.Hour},
		"tenant with .":    {auth.Identity{User: "a", NS: "a.b"}, time.Hour},
		"no life":          {auth.Identity{User: "a"}, 0},
		"life in the past": {auth.Identity{User: "a"}, -time.Hour},
	} {
		if tok, err := s.Sign(c.id, c.ttl); err == nil {
			t.Errorf("%s: got %q", name, tok)
		}
	}
}

func TestBearerFromHeader(t *testing.T) {
	for _, c := range []struct {
		values []string
		token  string
		ok     bool
	}{
		{nil, "", false},
		{[]string{""}, "", false},
		{[]string{"Basic YTpi"}, "", false},
		{[]string{"Bearertoken"}, "", false},
		{[]string{"Bearer a.b.c"}, "a.b.c", true},
		{[]string{"bearer a.b.c"}, "a.b.c", true},
		{[]string{"  BEARER   a.b.c  "}, "a.b.c", true},
		{[]string{"Basic YTpi", "Bearer a.b.c"}, "a.b.c", true},
		// Somebody tried, and it is wrong: not the same as not having tried.
		{[]string{"Bearer"}, "", true},
		{[]string{"Bearer "}, "", true},
		{[]string{"Bearer a b"}, "", true},
		{[]string{"Bearer a,Bearer b"}, "", true},
		{[]string{"Bearer a.b.c", "Bearer d.e.f"}, "", true},
	} {
		token, ok := auth.BearerFromHeader(http.Header{"Authorization": c.values})
		if token != c.token || ok != c.ok {
			t.Errorf("%q: got %q, %v", c.values, token, ok)
		}
	}
}
