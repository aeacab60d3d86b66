package client

import (
	"testing"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
)

func TestTokenNS(t *testing.T) {
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: auth.NewSecret()})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[chat.NS]chat.NS{"": chat.DefaultNS, "acme": "acme"} {
		token, err := signer.Sign(auth.Identity{User: "alice", NS: in}, 1e10)
		if err != nil || TokenNS(token) != want {
			t.Error(in, TokenNS(token), err)
		}
	}
	for _, bad := range []string{"", "a.b", "a.!.c", "a.e30.c", "a.eyJucyI6IiAifQ.c", "a.eyJucyI6MX0.c"} {
		if TokenNS(bad) != chat.DefaultNS {
			t.Error(bad)
		}
	}
}
