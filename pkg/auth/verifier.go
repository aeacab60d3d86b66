package auth

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-chat/parley/pkg/chat"
)

// Options is how tokens are checked. Exactly one key must be given.
type Options struct {
	// HS256Secret is a shared secret of at least 32 bytes, for tokens signed with
	// HMAC-SHA256.
	HS256Secret []byte
	// PublicKeyPEM is one PEM block with a public key. The algorithm follows from
	// its type: RSA from 2048 bits on RS256, ECDSA on P-256 ES256, Ed25519 EdDSA.
	PublicKeyPEM []byte
	// Keys are the keys that an issuer publishes, RS256, ES256 and EdDSA. Issuer must
	// be set with it. The caller runs it ([KeySet.Run]).
	Keys *KeySet

	// Issuer and Audience, where set, must be the token's "iss" and among its "aud".
	Issuer   string
	Audience string

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Verifier checks tokens. It is safe for concurrent use.
type Verifier struct {
	parser  *jwt.Parser
	methods []string
	one     publicKey // where keys is nil
	keys    *KeySet
	issuer  string
}

// NewVerifier makes a verifier. Its errors say what to set, and never contain a
// secret.
func NewVerifier(o Options) (*Verifier, error) {
	v := &Verifier{keys: o.Keys, issuer: o.Issuer}
	if err := v.take(o); err != nil {
		return nil, err
	}
	opts := []jwt.ParserOption{
		jwt.WithValidMethods(v.methods),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
	}
	if o.Now != nil {
		opts = append(opts, jwt.WithTimeFunc(o.Now))
	}
	if o.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		opts = append(opts, jwt.WithAudience(o.Audience))
	}
	v.parser = jwt.NewParser(opts...)
	return v, nil
}

// take is the choice among the sources of keys.
func (v *Verifier) take(o Options) (err error) {
	switch {
	case o.Keys == nil:
		v.one.method, v.one.key, err = o.key()
		v.methods = []string{v.one.method}
		return err
	case len(o.HS256Secret) > 0 || len(o.PublicKeyPEM) > 0:
		return errors.New("two token keys: set either a key or the URL of a key set, not both")
	case o.Issuer == "":
		return errors.New("keys of an issuer are good for its tokens alone: set the issuer")
	}
	v.methods = []string{jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg(), jwt.SigningMethodEdDSA.Alg()}
	return nil
}

func (o Options) key() (method string, key any, err error) {
	switch {
	case len(o.HS256Secret) > 0 && len(o.PublicKeyPEM) > 0:
		return "", nil, errors.New("two token keys: set either an HS256 secret or a public key, not both")
	case len(o.HS256Secret) > 0:
		return jwt.SigningMethodHS256.Alg(), bytes.Clone(o.HS256Secret), checkSecret(o.HS256Secret)
	case len(o.PublicKeyPEM) > 0:
		return parsePublicKey(o.PublicKeyPEM)
	}
	return "", nil, errors.New("no token key: set an HS256 secret of at least 32 bytes, or a public key in PEM form")
}

// Verify checks the token and says who it names. With [Options].Keys it may
// block for a fetch, for at most [KeySetTimeout]; else it does not. Every error is
// an [*Error].
func (v *Verifier) Verify(token string) (Identity, error) {
	switch {
	case token == "":
		return Identity{}, &Error{ReasonMissing}
	case len(token) > MaxToken:
		return Identity{}, &Error{ReasonTooLarge}
	case strings.ContainsFunc(token, foreign):
		return Identity{}, &Error{ReasonMalformed}
	}
	var c claims
	var refused *Error
	t, err := v.parser.ParseWithClaims(token, &c, v.keyFor)
	switch {
	case err == nil:
		return c.identity()
	case t != nil && t.Method != nil && !slices.Contains(v.methods, t.Method.Alg()):
		return Identity{}, &Error{ReasonAlgorithm}
	case errors.As(err, &refused): // by keyFor
		return Identity{}, refused
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return Identity{}, &Error{v.missing(&c)}
	}
	return Identity{}, &Error{reasonOf(err)}
}

// foreign reports whether r has no place in a token. The decoder skips line
// breaks, so one token could be written in many ways.
func foreign(r rune) bool {
	alnum := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !alnum && r != '-' && r != '_' && r != '.'
}

// missing says which claim was demanded and is not there.
func (v *Verifier) missing(c *claims) Reason {
	switch {
	case v.issuer != "" && c.Issuer == "":
		return ReasonIssuer
	case c.Expires == nil:
		return ReasonNoExpiry
	}
	return ReasonAudience
}

// errCritical refuses a header that demands what is not understood here
// (RFC 7515 §4.1.11); the parser does not look at it.
var errCritical = errors.New(`"crit" is not supported`)

// keyFor is the key for a token. Of a single key the kid is not looked at; in a set
// it chooses among the issuer's keys, and the key says which algorithm it is for.
func (v *Verifier) keyFor(t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, errCritical
	}
	if v.keys == nil {
		return v.one.key, nil
	}
	kid, _ := t.Header["kid"].(string)
	k, err := v.keys.key(kid)
	if err != nil {
		return nil, err
	}
	if t.Method.Alg() != k.method {
		return nil, &Error{ReasonAlgorithm}
	}
	return k.key, nil
}

// reasonOf keeps of the parser's error only what went wrong, because its text may
// quote the token. "Expired" comes last: it is said of tokens that are good
// otherwise.
func reasonOf(err error) Reason {
	for _, m := range []struct {
		err    error
		reason Reason
	}{
		{errCritical, ReasonMalformed},
		{jwt.ErrTokenMalformed, ReasonMalformed},
		{jwt.ErrTokenUnverifiable, ReasonAlgorithm},
		{jwt.ErrTokenSignatureInvalid, ReasonSignature},
		{jwt.ErrTokenInvalidIssuer, ReasonIssuer},
		{jwt.ErrTokenInvalidAudience, ReasonAudience},
		{jwt.ErrTokenNotValidYet, ReasonNotYetValid},
		{jwt.ErrTokenExpired, ReasonExpired},
	} {
		if errors.Is(err, m.err) {
			return m.reason
		}
	}
	return ReasonMalformed
}

// identity is what the claims say, once they are verified.
func (c *claims) identity() (Identity, error) {
	id := Identity{
		NS:      chat.DefaultNS,
		User:    chat.User(c.Subject),
		Expires: c.Expires.time,
		Scopes:  c.Scope,
		ID:      c.ID,
		Issuer:  c.Issuer,
	}
	if c.NS != nil {
		id.NS = chat.NS(*c.NS)
	}
	if c.IssuedAt != nil {
		id.IssuedAt = c.IssuedAt.time
	}
	switch {
	case !id.User.Valid():
		return Identity{}, &Error{ReasonSubject}
	case !id.NS.Valid():
		return Identity{}, &Error{ReasonTenant}
	}
	if id.Has(ScopeSendAny) {
		id.Service = string(id.User)
	}
	return id, nil
}
