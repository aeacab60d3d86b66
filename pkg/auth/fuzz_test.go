package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/auth"
)

// FuzzToken: no text that was not signed with the key is a token, and no error shows
// any of it.
func FuzzToken(f *testing.F) {
	real := hs(good)
	for _, s := range []string{"", ".", "..", "a.b.c", real, real + ".", strings.TrimRight(real, "abc"), token(`{"alg":"none"}`, good, none),
		token(`{"alg":"HS384"}`, good, hs256([]byte(secret))), token(`{"alg":"HS256","kid":"x","crit":["b64"]}`, good, hs256([]byte(secret))), strings.Repeat("a", auth.MaxToken+1)} {
		f.Add(s)
	}
	v, err := auth.NewVerifier(auth.Options{HS256Secret: []byte(secret), Now: clock})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := v.Verify(text)
		var e *auth.Error
		switch {
		case err == nil && text != real && !honest(text):
			t.Fatalf("%q is taken: %+v", text, id)
		case err != nil && !errors.As(err, &e):
			t.Fatalf("error of type %T", err)
		case err != nil && len(text) > 8 && (strings.Contains(err.Error(), text) || strings.Contains(e.Public(), text)):
			t.Fatalf("the error shows the token: %v", err)
		}
	})
}

// honest says of a text that it is signed as the key's owner would have: the fuzzer
// has the key in its seeds, and may find that.
func honest(text string) bool {
	signed, sig, ok := cutLast(text, ".")
	return ok && b64(string(hs256([]byte(secret))(signed))) == sig
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
