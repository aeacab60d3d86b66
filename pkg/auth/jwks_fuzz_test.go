package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"strings"
	"testing"
)

// FuzzKeySet: whatever an issuer publishes, what is taken of it are public keys of
// the three kinds, with the algorithm of their kind.
func FuzzKeySet(f *testing.F) {
	const point = `"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	for _, s := range []string{
		`{"keys":[]}`, `{}`, `[]`, `null`, `{"keys":[{}]}`, `{"keys":[null]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"a",` + point + `}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"a",` + point + `,"d":"AA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"RSA","kid":"c","n":"` + strings.Repeat("u", 343) + `","e":"AQAB"}]}`,
		`{"keys":[{"kty":"RSA","kid":"c","n":"AQ","e":"AQ"}]}`,
		`{"keys":[{"kty":"oct","kid":"d","k":"AAAA"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, _, err := parseKeySet(doc)
		if err == nil && len(keys) == 0 {
			t.Fatal("no key, and no error")
		}
		for kid, k := range keys {
			if kid == "" || len(kid) > maxKeyID {
				t.Fatalf("kid %q", kid)
			}
			switch key := k.key.(type) {
			case *rsa.PublicKey:
				if k.method != "RS256" || key.N.BitLen() < MinRSABits || key.E < 3 {
					t.Fatalf("%s: RSA of %d bits", k.method, key.N.BitLen())
				}
			case *ecdsa.PublicKey:
				if k.method != "ES256" || key.Curve.Params().Name != "P-256" {
					t.Fatalf("%s: %s", k.method, key.Curve.Params().Name)
				}
			case ed25519.PublicKey:
				if k.method != "EdDSA" || len(key) != ed25519.PublicKeySize {
					t.Fatalf("%s: %d bytes", k.method, len(key))
				}
			default:
				t.Fatalf("a key of type %T", key)
			}
		}
	})
}
