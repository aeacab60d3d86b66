// Package auth turns a token into an identity: step 2 of a message's way, where
// it is fixed who speaks before anything else is looked at.
//
// A [Verifier] knows exactly one key, or the [KeySet] of one issuer, in which a
// token's kid chooses. The algorithm follows from the key and never from the token.
// What else a token says about keys (jku, jwk, x5u) is not looked at.
package auth

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// MaxToken is the longest token in bytes that is looked at.
const MaxToken = 8 << 10

// NotBeforeLeeway is how far a clock may be behind the issuer's. It counts for
// "nbf" alone: "exp" has none, because sessions end then to the second.
const NotBeforeLeeway = 30 * time.Second

// ScopeSendAny lets a service send in the name of others (PROTOCOL §5).
const ScopeSendAny = "send:any"

// ScopeOperator lets an operator look at what is not the operator's own, and see to jobs.
const ScopeOperator = "operator"

// ScopeEraseAny lets an operator erase what a user has left.
const ScopeEraseAny = "erase:any"

// ScopeRevokeAny lets an operator revoke tokens and ban users.
const ScopeRevokeAny = "revoke:any"

// Identity is what a valid token says. It is a value: nobody changes Scopes.
type Identity struct {
	NS      chat.NS   // "ns", or [chat.DefaultNS]
	User    chat.User // "sub"
	Expires time.Time // "exp": from then on the token is worth nothing
	Scopes  []string  // "scope"

	ID       string    // "jti", "" if there is none; what a token is revoked by
	Issuer   string    // "iss", "" if there is none
	IssuedAt time.Time // "iat", zero if there is none

	// Service is User for a token with [ScopeSendAny], else "". It is what an entry
	// that was written for somebody else carries as via.
	Service string
}

// Has reports whether the identity was given the scope.
func (id Identity) Has(scope string) bool { return slices.Contains(id.Scopes, scope) }

// The kinds of a failed verification, for errors.Is.
var (
	// ErrExpired: the token was good once. The client gets a new one and repeats.
	ErrExpired = errors.New("token expired")
	// ErrUnavailable: the issuer's keys could not be fetched, so nothing is known
	// about the token. The client repeats.
	ErrUnavailable = errors.New("keys for tokens not available")
	// ErrBanned: the token is good, and its user is banned: no other token helps.
	ErrBanned = errors.New("user banned")
	// ErrInvalid: anything else.
	ErrInvalid = errors.New("token not valid")
)

// Reason says in one word why a token was refused. It is a metric label and is
// meant for operators, not for clients.
type Reason string

// The reasons.
const (
	ReasonMissing     Reason = "missing"
	ReasonTooLarge    Reason = "too_large"
	ReasonMalformed   Reason = "malformed" // not a JWT, or claims of a wrong type
	ReasonAlgorithm   Reason = "algorithm" // not the one of the key
	ReasonKey         Reason = "key"       // its kid is missing, or names no key of the issuer
	ReasonNoKeys      Reason = "no_keys"   // the issuer's keys are not there
	ReasonSignature   Reason = "signature"
	ReasonExpired     Reason = "expired"
	ReasonNoExpiry    Reason = "no_expiry"
	ReasonNotYetValid Reason = "not_yet_valid"
	ReasonIssuer      Reason = "issuer"
	ReasonAudience    Reason = "audience"
	ReasonSubject     Reason = "subject" // "sub" is missing or not of the form of a user id
	ReasonTenant      Reason = "tenant"  // "ns" is not of the form of a tenant
	ReasonRevoked     Reason = "revoked" // it was good, and was revoked: see package revoke
	ReasonBanned      Reason = "banned"  // its user is banned: see package revoke
)

// Error is what [Verifier.Verify] returns. It never contains the token or any
// part of it. errors.Is finds [ErrExpired], [ErrUnavailable], [ErrBanned] or [ErrInvalid] in it, and errors.As a
// [chat.Error] that is safe to show.
type Error struct {
	Reason Reason
}

func (e *Error) Error() string { return e.kind().Error() + ": " + string(e.Reason) }

// Public is the text for the client. It does not say what was wrong, except that
// the token has expired.
func (e *Error) Public() string {
	switch e.Reason {
	case ReasonExpired:
		return "the token has expired; get a new one"
	case ReasonMissing:
		return "a token is needed"
	case ReasonNoKeys:
		return "tokens cannot be checked at the moment; repeat this"
	case ReasonRevoked:
		return "the token was revoked; get a new one"
	case ReasonBanned:
		return "you are banned here"
	}
	return "the token is not valid"
}

// Unwrap gives the kind, and the error for the client.
func (e *Error) Unwrap() []error {
	switch e.Reason {
	case ReasonNoKeys:
		return []error{e.kind(), chat.Unavailable(e.Public())}
	case ReasonBanned:
		return []error{e.kind(), chat.Errorf(chat.CodeForbidden, "%s", e.Public())}
	}
	return []error{e.kind(), chat.Errorf(chat.CodeUnauthenticated, "%s", e.Public())}
}

func (e *Error) kind() error {
	switch e.Reason {
	case ReasonExpired:
		return ErrExpired
	case ReasonNoKeys:
		return ErrUnavailable
	case ReasonBanned:
		return ErrBanned
	}
	return ErrInvalid
}

// BearerFromHeader takes the token out of "Authorization: Bearer <token>"
// (RFC 6750 §2.1). ok reports whether the client tried to identify itself so. If
// it did, but not in that form (two headers, no token, blanks in it), the token is
// "", which no [Verifier] accepts.
func BearerFromHeader(h http.Header) (token string, ok bool) {
	for _, v := range h.Values("Authorization") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		if ok {
			return "", true
		}
		token, ok = strings.TrimSpace(rest), true
	}
	if strings.ContainsAny(token, " \t,") {
		return "", ok
	}
	return token, ok
}
