package auth

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// claimSet is the part of a token's claims that means something here.
type claimSet struct {
	Subject   string       `json:"sub,omitzero"`
	NS        *string      `json:"ns,omitzero"`
	Scope     words        `json:"scope,omitzero"`
	ID        string       `json:"jti,omitzero"`
	Issuer    string       `json:"iss,omitzero"`
	Audience  audience     `json:"aud,omitzero"`
	IssuedAt  *numericDate `json:"iat,omitzero"`
	NotBefore *numericDate `json:"nbf,omitzero"`
	Expires   *numericDate `json:"exp,omitzero"`
}

// claims is a claimSet for the JWT library. It decodes itself, because the
// library's decoder takes "SUB" for "sub" and the last of two equal names: what
// one reader of a token overlooks, another must not believe.
type claims struct{ claimSet }

func (c *claims) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &c.claimSet) }
func (c claims) MarshalJSON() ([]byte, error)  { return json.Marshal(&c.claimSet) }

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires.shifted(0), nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.IssuedAt.shifted(0), nil }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings(c.Audience), nil }

// GetNotBefore carries the leeway, because the library's own setting would
// prolong "exp" as well.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) {
	return c.NotBefore.shifted(-NotBeforeLeeway), nil
}

// numericDate is seconds since 1970, fractions allowed (RFC 7519 §2).
type numericDate struct{ time time.Time }

// lastSecond is the end of the year 9999: beyond it a float no longer becomes a
// time that comparisons can rely on.
const lastSecond = 253402300799

func (d *numericDate) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() != '0' {
		return errors.New("not a number")
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(0 <= f && f <= lastSecond) {
		return errors.New("not a time")
	}
	sec, frac := math.Modf(f)
	d.time = time.Unix(int64(sec), int64(frac*1e9)).UTC()
	return nil
}

func (d numericDate) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, d.time.Unix(), 10), nil
}

func (d *numericDate) shifted(by time.Duration) *jwt.NumericDate {
	if d == nil {
		return nil
	}
	return &jwt.NumericDate{Time: d.time.Add(by)}
}

// words is a blank-separated string (RFC 8693 §4.2) or an array of strings.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var s string
	if jsontext.Value(b).Kind() != '"' {
		return json.Unmarshal(b, (*[]string)(w))
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*w = strings.Fields(s)
	return nil
}

func (w words) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(w, " ")) }

// audience is one string or an array of strings (RFC 7519 §4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() != '"' {
		return json.Unmarshal(b, (*[]string)(a))
	}
	*a = make(audience, 1)
	return json.Unmarshal(b, &(*a)[0])
}
