package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The least sizes of keys.
const (
	MinSecret  = 32   // bytes of an HS256 secret (RFC 7518 §3.2)
	MinRSABits = 2048 // RFC 7518 §3.3
)

// knownSecrets are long enough, and known to everybody: the samples of jwt.io and
// of widely copied tutorials. Compared in lower case.
var knownSecrets = []string{
	"a-string-secret-at-least-256-bits-long",
	"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
	"your-256-bit-secret-your-256-bit-secret",
	"your-very-long-secret-key-change-me-in-production",
	"this-is-a-very-long-secret-key-for-jwt",
	"change-this-secret-in-production-please",
	"404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
	"5367566b59703373367639792f423f4528482b4d6251655468576d5a71347437",
	"0123456789abcdefghijklmnopqrstuvwxyz",
	"abcdefghijklmnopqrstuvwxyz0123456789",
	"abcdefghijklmnopqrstuvwxyz123456",
	"qwertyuiopasdfghjklzxcvbnm123456",
}

// checkSecret refuses secrets that can be guessed. Its errors do not contain the
// secret.
func checkSecret(secret []byte) error {
	const hint = "; make one with: openssl rand -base64 48"
	switch {
	case bytes.Contains(secret, []byte("-----BEGIN")):
		return errors.New("the HS256 secret is a PEM file: set it as the public key instead")
	case len(secret) < MinSecret:
		return fmt.Errorf("the HS256 secret has %d bytes; it needs at least %d%s", len(secret), MinSecret, hint)
	case slices.Contains(knownSecrets, strings.ToLower(string(secret))):
		return errors.New("the HS256 secret is a published example" + hint)
	case repeats(secret), distinct(secret) < 8:
		return errors.New("the HS256 secret is too regular" + hint)
	}
	return nil
}

// repeats reports whether b is one part written again and again, such as
// "changemechangemechangemechangeme".
func repeats(b []byte) bool {
	for n := 1; n <= len(b)/2; n++ {
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	return false
}

func distinct(b []byte) int {
	seen := map[byte]struct{}{}
	for _, c := range b {
		seen[c] = struct{}{}
	}
	return len(seen)
}

// parsePublicKey reads the one PEM block, and says which algorithm its key is for.
func parsePublicKey(text []byte) (method string, key any, err error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return "", nil, errors.New("the public key is not a PEM block (-----BEGIN PUBLIC KEY-----)")
	case len(bytes.TrimSpace(rest)) > 0:
		return "", nil, errors.New("the public key file has more than one PEM block; give exactly one key")
	case strings.Contains(block.Type, "PRIVATE"):
		return "", nil, errors.New("this is a private key; give the public one: openssl pkey -in private.pem -pubout")
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return "", nil, fmt.Errorf("the PEM block is a %q; give a PUBLIC KEY", block.Type)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read the public key: %w", err)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < MinRSABits {
			return "", nil, fmt.Errorf("the RSA key has %d bits; it needs at least %d", k.N.BitLen(), MinRSABits)
		}
		return jwt.SigningMethodRS256.Alg(), k, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", nil, fmt.Errorf("the ECDSA key is on %s; only P-256 (ES256) is supported", k.Curve.Params().Name)
		}
		return jwt.SigningMethodES256.Alg(), k, nil
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA.Alg(), k, nil
	}
	return "", nil, fmt.Errorf("public keys of type %T are not supported; use RSA, ECDSA on P-256, or Ed25519", key)
}
