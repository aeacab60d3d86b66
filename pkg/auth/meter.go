package auth

import (
	"errors"

	"github.com/parley-chat/parley/pkg/tally"
)

// Accepted counts tokens that are good, beside the [Reason]s of those that are not.
const Accepted = "ok"

// Meter counts what became of tokens. Make it with [NewMeter]; it is safe for
// concurrent use.
type Meter struct{ counts *tally.Tally }

// NewMeter makes a meter that has seen nothing.
func NewMeter() *Meter {
	keys := []string{Accepted}
	for _, r := range []Reason{ReasonMissing, ReasonTooLarge, ReasonMalformed, ReasonAlgorithm, ReasonKey, ReasonNoKeys, ReasonSignature,
		ReasonExpired, ReasonNoExpiry, ReasonNotYetValid, ReasonIssuer, ReasonAudience, ReasonSubject, ReasonTenant,
		ReasonRevoked, ReasonBanned} {
		keys = append(keys, string(r))
	}
	return &Meter{tally.New(keys...)}
}

// Outcomes counts tokens by [Accepted] or [Reason].
func (m *Meter) Outcomes() map[string]uint64 { return m.counts.Read() }

// TokenVerifier turns a token into an identity.
type TokenVerifier interface {
	Verify(token string) (Identity, error)
}

// Observe returns v, with every token counted. It is a [Counted].
func (m *Meter) Observe(v TokenVerifier) TokenVerifier { return observed{v, m} }

type observed struct {
	TokenVerifier
	meter *Meter
}

// Counted is a verifier whose tokens are counted.
type Counted interface {
	TokenVerifier
	// Within has what else a verifier finds wrong with tokens counted, too: wrap is put
	// around the verifier that is observed, and not around the counting.
	Within(wrap func(TokenVerifier) TokenVerifier) TokenVerifier
}

// Within implements [Counted].
func (o observed) Within(wrap func(TokenVerifier) TokenVerifier) TokenVerifier {
	return observed{wrap(o.TokenVerifier), o.meter}
}

// Verify implements TokenVerifier.
func (o observed) Verify(token string) (Identity, error) {
	id, err := o.TokenVerifier.Verify(token)
	var refused *Error
	switch {
	case err == nil:
		o.meter.counts.Add(Accepted, 1)
	case errors.As(err, &refused):
		o.meter.counts.Add(string(refused.Reason), 1)
	default:
		o.meter.counts.Add(tally.Other, 1)
	}
	return id, err
}
