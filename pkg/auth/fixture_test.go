package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
)

// The tokens of these tests are put together by hand: a library for honest tokens
// does not make dishonest ones.

// secret is also a canary: no error may contain it, or a token.
const secret = "canary-secret-Zq8vT2mK5xW9rB3nL7pD"

// now is the time of all tests.
var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signer makes the signature of "header.payload".
type signer func(signed string) []byte

func hs256(key []byte) signer {
	return func(signed string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
}

func rs256(t *testing.T, key *rsa.PrivateKey) signer {
	return func(signed string) []byte {
		sum := sha256.Sum256([]byte(signed))
		sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

func es256(t *testing.T, key *ecdsa.PrivateKey) signer {
	return func(signed string) []byte {
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig
	}
}

func eddsa(key ed25519.PrivateKey) signer {
	return func(signed string) []byte { return ed25519.Sign(key, []byte(signed)) }
}

func none(string) []byte { return nil }

func token(header, payload string, sign signer) string {
	signed := b64(header) + "." + b64(payload)
	return signed + "." + b64(string(sign(signed)))
}

// hs makes a token that is good but for its payload.
func hs(payload string) string {
	return token(`{"alg":"HS256","typ":"JWT"}`, payload, hs256([]byte(secret)))
}

// exp is one hour from now.
const exp = `"exp":1777899600`

const good = `{"sub":"alice",` + exp + `}`

func newVerifier(t *testing.T, o auth.Options) *auth.Verifier {
	t.Helper()
	if o.HS256Secret == nil && o.PublicKeyPEM == nil {
		o.HS256Secret = []byte(secret)
	}
	o.Now = clock
	v, err := auth.NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func publicPEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edKey(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub, priv
}
