package client

import (
	"testing"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
)

func TestTokenClaims(t *testing.T) {
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: auth.NewSecret()})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[chat.NS]chat.NS{"": chat.DefaultNS, "acme": "acme"} {
		token, err := signer.Sign(auth.Identity{User: "alice", NS: in}, 1e10)
		if user, ns := TokenClaims(token); err != nil || user != "alice" || ns != want {
			t.Error(in, user, ns, err)
		}
	}
	for _, bad := range []string{"", "a.b", "a.!.c", "a.e30.c", "a.eyJucyI6IiAifQ.c", "a.eyJucyI6MX0.c"} {
		if user, ns := TokenClaims(bad); user != "" || ns != chat.DefaultNS {
			t.Error(bad, user, ns)
		}
	}
}
