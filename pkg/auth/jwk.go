package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// Bounds of a set of keys. What is beyond them is no set that an issuer publishes.
const (
	maxKeySet  = 256 << 10 // bytes of the document
	maxKeys    = 64
	maxKeyID   = 256 // bytes of a kid
	maxRSABits = 8192
)

// publicKey is a key, and the one algorithm that it is good for.
type publicKey struct {
	method string
	key    any
}

// jwk is one key of a set (RFC 7517 §4, RFC 7518 §6, RFC 8037). Its other members
// mean nothing here.
type jwk struct {
	Type      string         `json:"kty"`
	ID        string         `json:"kid"`
	Use       string         `json:"use"`
	Ops       []string       `json:"key_ops"`
	Algorithm string         `json:"alg"`
	Curve     string         `json:"crv"`
	N         string         `json:"n"`
	E         string         `json:"e"`
	X         string         `json:"x"`
	Y         string         `json:"y"`
	Private   jsontext.Value `json:"d"`
}

// parseKeySet reads a set, by kid. Keys that are of no use here are left out, and
// skipped says why of each: an issuer may publish keys for others beside ours. A
// kid that names two keys names none, because which of them is meant would be
// the token's choice.
func parseKeySet(data []byte) (keys map[string]publicKey, skipped []error, err error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, nil, errors.New("the document is not a JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("the set has %d keys; at most %d are read", len(set.Keys), maxKeys)
	}
	keys = make(map[string]publicKey, len(set.Keys))
	twice := map[string]bool{}
	for i, raw := range set.Keys {
		id, key, err := parseJWK(raw)
		_, known := keys[id]
		switch {
		case err != nil:
			skipped = append(skipped, fmt.Errorf("key %d: %w", i+1, err))
		case known || twice[id]:
			skipped = append(skipped, fmt.Errorf("key %d: its kid is not its own", i+1))
			delete(keys, id)
			twice[id] = true
		default:
			keys[id] = key
		}
	}
	if len(keys) == 0 {
		return nil, skipped, errors.New("the set has no key for RS256, ES256 or EdDSA")
	}
	return keys, skipped, nil
}

func parseJWK(raw []byte) (id string, key publicKey, err error) {
	var k jwk
	if err := json.Unmarshal(raw, &k); err != nil {
		return "", key, errors.New("it is not a JSON Web Key")
	}
	switch {
	case k.ID == "" || len(k.ID) > maxKeyID:
		return "", key, fmt.Errorf("its kid is missing, or longer than %d bytes", maxKeyID)
	case k.Private != nil:
		return "", key, errors.New("it is a private key, which everybody can read now")
	case k.Use != "" && k.Use != "sig", k.Ops != nil && !slices.Contains(k.Ops, "verify"):
		return "", key, errors.New("it is not for signatures")
	}
	switch {
	case k.Type == "RSA":
		key.method = jwt.SigningMethodRS256.Alg()
		key.key, err = k.rsa()
	case k.Type == "EC" && k.Curve == "P-256":
		key.method = jwt.SigningMethodES256.Alg()
		key.key, err = k.ec()
	case k.Type == "OKP" && k.Curve == "Ed25519":
		key.method = jwt.SigningMethodEdDSA.Alg()
		key.key, err = k.ed25519()
	default:
		return "", key, fmt.Errorf("keys of type %.16q, curve %.16q are not supported", k.Type, k.Curve)
	}
	if err != nil {
		return "", key, err
	}
	alias := key.method == jwt.SigningMethodEdDSA.Alg() && k.Algorithm == "Ed25519" // RFC 9864
	if k.Algorithm != "" && k.Algorithm != key.method && !alias {
		return "", key, fmt.Errorf("it is for %.16q, and not for %s", k.Algorithm, key.method)
	}
	return k.ID, key, nil
}

func (k *jwk) rsa() (*rsa.PublicKey, error) {
	n, err := decode64(k.N)
	if err != nil {
		return nil, err
	}
	e, err := decode64(k.E)
	if err != nil {
		return nil, err
	}
	pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	if bits := pub.N.BitLen(); bits < MinRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("the RSA key has %d bits; %d to %d are taken", bits, MinRSABits, maxRSABits)
	}
	exp := new(big.Int).SetBytes(e)
	if exp.BitLen() > 31 || exp.Int64() < 3 || exp.Bit(0) == 0 || pub.N.Bit(0) == 0 {
		return nil, errors.New("the RSA key is malformed")
	}
	pub.E = int(exp.Int64())
	return pub, nil
}

func (k *jwk) ec() (*ecdsa.PublicKey, error) {
	x, errX := decode64(k.X)
	y, errY := decode64(k.Y)
	if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil, errors.New("the point of the ECDSA key is malformed")
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("the point of the ECDSA key is not on its curve")
	}
	return pub, nil
}

func (k *jwk) ed25519() (ed25519.PublicKey, error) {
	x, err := decode64(k.X)
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("the Ed25519 key is malformed")
	}
	return ed25519.PublicKey(x), nil
}

func decode64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 {
		return nil, errors.New("a number of the key is not base64url")
	}
	return b, nil
}
