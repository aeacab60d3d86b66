package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SignerOptions is how tokens are made.
type SignerOptions struct {
	HS256Secret []byte           // at least 32 bytes
	Issuer      string           // "iss"; "" leaves it out
	Audience    string           // "aud"; "" leaves it out
	Now         func() time.Time // nil: time.Now
}

// Signer makes HS256 tokens for development: POST /dev/token and
// `parley token` of the all-in-one binary. In production an identity provider makes
// them, and no production program calls this. It is immutable and safe for concurrent
// use.
type Signer struct{ o SignerOptions }

// NewSigner refuses the secrets that [NewVerifier] refuses.
func NewSigner(o SignerOptions) (*Signer, error) {
	if err := checkSecret(o.HS256Secret); err != nil {
		return nil, err
	}
	o.HS256Secret = bytes.Clone(o.HS256Secret)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Signer{o: o}, nil
}

// Sign makes a token for id.User, with id.NS, id.Scopes and id.ID if they are set
// (a random "jti" if not). It is good from now on for ttl, which is at least a
// second; the other fields of id are not used.
func (s *Signer) Sign(id Identity, ttl time.Duration) (string, error) {
	switch {
	case !id.User.Valid():
		return "", errors.New("sign a token: the user is not of the form of a user id")
	case id.NS != "" && !id.NS.Valid():
		return "", errors.New("sign a token: the tenant is not of the form of a tenant")
	case ttl < time.Second:
		return "", fmt.Errorf("sign a token: a life of %v is too short", ttl)
	}
	now := s.o.Now()
	c := claimSet{
		Subject:  string(id.User),
		Scope:    id.Scopes,
		ID:       id.ID,
		Issuer:   s.o.Issuer,
		IssuedAt: &numericDate{now},
		Expires:  &numericDate{now.Add(ttl)},
	}
	if id.NS != "" {
		ns := string(id.NS)
		c.NS = &ns
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if s.o.Audience != "" {
		c.Audience = audience{s.o.Audience}
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{c}).SignedString(s.o.HS256Secret)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// NewSecret makes a random HS256 secret: 64 characters of URL-safe base64, so
// that it can be kept in a text file.
func NewSecret() []byte {
	b := make([]byte, 48)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.AppendEncode(nil, b)
}
