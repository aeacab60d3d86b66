package auth_test

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
)

func TestVerifyReadsTheClaims(t *testing.T) {
	hour := now.Add(time.Hour)
	for _, c := range []struct {
		payload string
		want    auth.Identity
	}{
		{good, auth.Identity{NS: "_", User: "alice", Expires: hour}},
		{
			`{"sub":"a.b@c+d-e_f","ns":"acme","scope":"send:any  read","jti":"id-1","iss":"https://idp","iat":1777896000,"nbf":1777896000,"aud":["x"],` + exp + `,"more":{"x":[1]}}`,
			auth.Identity{NS: "acme", User: "a.b@c+d-e_f", Expires: hour, Scopes: []string{"send:any", "read"},
				ID: "id-1", Issuer: "https://idp", IssuedAt: now, Service: "a.b@c+d-e_f"},
		},
		{`{"sub":"alice","scope":["one","two"],` + exp + `}`, auth.Identity{NS: "_", User: "alice", Expires: hour, Scopes: []string{"one", "two"}}},
		{`{"sub":"alice","ns":null,"exp":1777899600.5}`, auth.Identity{NS: "_", User: "alice", Expires: hour.Add(500 * time.Millisecond)}},
		// Other names in other case are other claims.
		{`{"sub":"alice","SUB":"root","Sub":"root","NS":"acme",` + exp + `}`, auth.Identity{NS: "_", User: "alice", Expires: hour}},
	} {
		got, err := newVerifier(t, auth.Options{}).Verify(hs(c.payload))
		if err != nil {
			t.Errorf("%s: %v", c.payload, err)
		} else if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.payload, got, c.want)
		}
	}
}

func TestHas(t *testing.T) {
	id := auth.Identity{Scopes: []string{"send:any"}}
	if !id.Has(auth.ScopeSendAny) || id.Has("send") || id.Has("") {
		t.Error("Has looks at parts of scopes")
	}
}

// refused checks the refusal of a token, and that it tells nothing.
func refused(t *testing.T, name string, v *auth.Verifier, token string, want auth.Reason) {
	t.Helper()
	id, err := v.Verify(token)
	if err == nil {
		t.Errorf("%s: it was accepted: %+v", name, id)
		return
	}
	if !reflect.DeepEqual(id, auth.Identity{}) {
		t.Errorf("%s: an identity came with the error: %+v", name, id)
	}
	var e *auth.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("%s: error %v, want %s", name, err, want)
	}
	if kind := want == auth.ReasonExpired; errors.Is(err, auth.ErrExpired) != kind || errors.Is(err, auth.ErrInvalid) == kind {
		t.Errorf("%s: error %v is of the wrong kind", name, err)
	}
	public := chat.AsError(err)
	if public.Code != chat.CodeUnauthenticated {
		t.Errorf("%s: the client gets %v", name, public)
	}
	for _, text := range []string{err.Error(), public.Error(), fmt.Sprintf("%+v %#v", err, err)} {
		for _, part := range append(strings.Split(token, "."), secret, "canary") {
			if len(part) > 4 && strings.Contains(text, part) {
				t.Errorf("%s: %q is in %q", name, part, text)
			}
		}
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	v := newVerifier(t, auth.Options{})
	for _, c := range []struct {
		name, payload string
		want          auth.Reason
	}{
		{"expired this second", `{"sub":"alice","exp":1777896000}`, auth.ReasonExpired},
		{"expired long ago", `{"sub":"alice","exp":1}`, auth.ReasonExpired},
		{"no exp", `{"sub":"alice"}`, auth.ReasonNoExpiry},
		{"exp null", `{"sub":"alice","exp":null}`, auth.ReasonNoExpiry},
		{"exp zero", `{"sub":"alice","exp":0}`, auth.ReasonExpired},
		{"exp as text", `{"sub":"alice","exp":"1777899600"}`, auth.ReasonMalformed},
		{"exp negative", `{"sub":"alice","exp":-1}`, auth.ReasonMalformed},
		{"exp beyond time", `{"sub":"alice","exp":1e300}`, auth.ReasonMalformed},
		{"exp in milliseconds", `{"sub":"alice","exp":1777899600000}`, auth.ReasonMalformed},
		{"exp true", `{"sub":"alice","exp":true}`, auth.ReasonMalformed},
		{"not before, beyond the leeway", `{"sub":"alice","nbf":1777896031,` + exp + `}`, auth.ReasonNotYetValid},
		{"nbf as text", `{"sub":"alice","nbf":"x",` + exp + `}`, auth.ReasonMalformed},
		{"iat as text", `{"sub":"alice","iat":"canary",` + exp + `}`, auth.ReasonMalformed},
		{"no sub", `{` + exp + `}`, auth.ReasonSubject},
		{"sub empty", `{"sub":"",` + exp + `}`, auth.ReasonSubject},
		{"sub with a blank", `{"sub":"alice canary",` + exp + `}`, auth.ReasonSubject},
		{"sub with a slash", `{"sub":"../canary",` + exp + `}`, auth.ReasonSubject},
		{"sub with NUL", `{"sub":"canary\u0000",` + exp + `}`, auth.ReasonSubject},
		{"sub too long", `{"sub":"` + strings.Repeat("a", 65) + `",` + exp + `}`, auth.ReasonSubject},
		{"sub a number", `{"sub":7,` + exp + `}`, auth.ReasonMalformed},
		{"sub a list", `{"sub":["alice"],` + exp + `}`, auth.ReasonMalformed},
		{"sub twice", `{"sub":"canary","sub":"root",` + exp + `}`, auth.ReasonMalformed},
		{"exp twice", `{"sub":"alice",` + exp + `,` + exp + `}`, auth.ReasonMalformed},
		{"ns empty", `{"sub":"alice","ns":"",` + exp + `}`, auth.ReasonTenant},
		{"ns with a slash", `{"sub":"alice","ns":"a/b",` + exp + `}`, auth.ReasonTenant},
		{"ns a number", `{"sub":"alice","ns":1,` + exp + `}`, auth.ReasonMalformed},
		{"scope a number", `{"sub":"alice","scope":1,` + exp + `}`, auth.ReasonMalformed},
		{"scope a list of numbers", `{"sub":"alice","scope":[1],` + exp + `}`, auth.ReasonMalformed},
		{"jti a number", `{"sub":"alice","jti":1,` + exp + `}`, auth.ReasonMalformed},
		{"invalid UTF-8", "{\"sub\":\"alice\",\"jti\":\"\xff\"," + exp + `}`, auth.ReasonMalformed},
		{"payload not an object", `["alice"]`, auth.ReasonMalformed},
		{"payload null", `null`, auth.ReasonNoExpiry},
		{"payload not JSON", `canary`, auth.ReasonMalformed},
		{"payload empty", ``, auth.ReasonMalformed},
		{"payload twice", good + good, auth.ReasonMalformed},
	} {
		refused(t, c.name, v, hs(c.payload), c.want)
	}
}

func TestNotBeforeHasALeeway(t *testing.T) {
	if _, err := newVerifier(t, auth.Options{}).Verify(hs(`{"sub":"alice","nbf":1777896030,` + exp + `}`)); err != nil {
		t.Error(err)
	}
}

func TestIssuerAndAudience(t *testing.T) {
	v := newVerifier(t, auth.Options{Issuer: "idp", Audience: "parley"})
	for _, c := range []struct {
		claims string
		want   auth.Reason // "" is accepted
	}{
		{`"iss":"idp","aud":"parley"`, ""},
		{`"iss":"idp","aud":["other","parley"]`, ""},
		{`"iss":"idp","aud":"other"`, auth.ReasonAudience},
		{`"iss":"idp","aud":["other"]`, auth.ReasonAudience},
		{`"iss":"idp","aud":[]`, auth.ReasonAudience},
		{`"iss":"idp","aud":""`, auth.ReasonAudience},
		{`"iss":"idp","aud":"parley2"`, auth.ReasonAudience},
		{`"iss":"idp","aud":"Parley"`, auth.ReasonAudience},
		{`"iss":"idp","aud":7`, auth.ReasonMalformed},
		{`"iss":"idp"`, auth.ReasonAudience},
		{`"aud":"parley"`, auth.ReasonIssuer},
		{`"iss":"","aud":"parley"`, auth.ReasonIssuer},
		{`"iss":"evil","aud":"parley"`, auth.ReasonIssuer},
		{`"iss":["idp"],"aud":"parley"`, auth.ReasonMalformed},
		{`"iss":"idp","iss":"evil","aud":"parley"`, auth.ReasonMalformed},
	} {
		tok := hs(`{"sub":"alice",` + exp + `,` + c.claims + `}`)
		if c.want != "" {
			refused(t, c.claims, v, tok, c.want)
		} else if _, err := v.Verify(tok); err != nil {
			t.Errorf("%s: %v", c.claims, err)
		}
	}
	// "Expired" invites to get a new token from the same place: it is said of
	// tokens that were meant for us.
	refused(t, "expired and foreign", v, hs(`{"sub":"alice","exp":1,"iss":"idp","aud":"other"}`), auth.ReasonAudience)
	refused(t, "expired and ours", v, hs(`{"sub":"alice","exp":1,"iss":"idp","aud":"parley"}`), auth.ReasonExpired)
	refused(t, "nothing but sub", v, hs(`{"sub":"alice"}`), auth.ReasonIssuer)
}

func TestVerifyRefusesForms(t *testing.T) {
	v := newVerifier(t, auth.Options{})
	ok := hs(good)
	parts := strings.Split(ok, ".")
	last := ok[len(ok)-1]
	// A 32-byte signature leaves 2 bits of its last character unused.
	sloppy := ok[:len(ok)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", last)|1])
	for _, c := range []struct {
		name, token string
		want        auth.Reason
	}{
		{"nothing", "", auth.ReasonMissing},
		{"one part", "canary-token", auth.ReasonMalformed},
		{"two parts", parts[0] + "." + parts[1], auth.ReasonMalformed},
		{"four parts", ok + "." + parts[2], auth.ReasonMalformed},
		{"only dots", "..", auth.ReasonMalformed},
		{"many dots", strings.Repeat(".", auth.MaxToken), auth.ReasonMalformed},
		{"no signature", parts[0] + "." + parts[1] + ".", auth.ReasonSignature},
		{"half a signature", ok[:len(ok)-20], auth.ReasonSignature},
		{"padding", ok + "=", auth.ReasonMalformed},
		{"unused bits set", sloppy, auth.ReasonMalformed},
		{"blank at the end", ok + " ", auth.ReasonMalformed},
		{"line break at the end", ok + "\n", auth.ReasonMalformed},
		{"line break inside", parts[0] + ".\n" + parts[1] + "." + parts[2], auth.ReasonMalformed},
		{"payload changed", parts[0] + "." + b64(strings.Replace(good, "alice", "mallory", 1)) + "." + parts[2], auth.ReasonSignature},
		{"header changed", b64(`{"alg":"HS256","typ":"jwt"}`) + "." + parts[1] + "." + parts[2], auth.ReasonSignature},
		{"header not JSON", b64("canary") + "." + parts[1] + "." + parts[2], auth.ReasonMalformed},
		{"too large", hs(`{"sub":"alice",` + exp + `,"pad":"` + strings.Repeat("x", auth.MaxToken) + `"}`), auth.ReasonTooLarge},
		{"huge", strings.Repeat("a", 10<<20), auth.ReasonTooLarge},
		{"deep", hs(strings.Repeat("[", 5000)), auth.ReasonMalformed},
	} {
		refused(t, c.name, v, c.token, c.want)
	}
	if _, err := v.Verify(ok); err != nil {
		t.Errorf("the token that they were made of: %v", err)
	}
}

// The algorithm follows from the key that is configured, and from nothing else.
func TestVerifyRefusesAlgorithms(t *testing.T) {
	rsaPriv, otherRSA := rsaKey(t, 2048), rsaKey(t, 2048)
	ecPriv := ecKey(t, elliptic.P256())
	edPub, edPriv := edKey(t)
	rsaPEM, ecPEM, edPEM := publicPEM(t, &rsaPriv.PublicKey), publicPEM(t, &ecPriv.PublicKey), publicPEM(t, edPub)
	byHS := newVerifier(t, auth.Options{})
	byRSA := newVerifier(t, auth.Options{PublicKeyPEM: rsaPEM})
	byEC := newVerifier(t, auth.Options{PublicKeyPEM: ecPEM})
	byEd := newVerifier(t, auth.Options{PublicKeyPEM: edPEM})

	for name, c := range map[string]struct {
		v   *auth.Verifier
		tok string
	}{
		"RS256": {byRSA, token(`{"alg":"RS256"}`, good, rs256(t, rsaPriv))},
		"ES256": {byEC, token(`{"alg":"ES256"}`, good, es256(t, ecPriv))},
		"EdDSA": {byEd, token(`{"alg":"EdDSA"}`, good, eddsa(edPriv))},
	} {
		if id, err := c.v.Verify(c.tok); err != nil || id.User != "alice" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}

	for _, c := range []struct {
		name   string
		v      *auth.Verifier
		header string
		sign   signer
		want   auth.Reason
	}{
		{"none", byHS, `{"alg":"none"}`, none, auth.ReasonAlgorithm},
		{"none before a public key", byRSA, `{"alg":"none"}`, none, auth.ReasonAlgorithm},
		{"None", byHS, `{"alg":"None"}`, none, auth.ReasonAlgorithm},
		{"NONE", byHS, `{"alg":"NONE"}`, none, auth.ReasonAlgorithm},
		{"nOnE, well signed", byHS, `{"alg":"nOnE"}`, hs256([]byte(secret)), auth.ReasonAlgorithm},
		{"empty", byHS, `{"alg":""}`, none, auth.ReasonAlgorithm},
		{"absent", byHS, `{"typ":"JWT"}`, hs256([]byte(secret)), auth.ReasonAlgorithm},
		{"not a text", byHS, `{"alg":["HS256"]}`, hs256([]byte(secret)), auth.ReasonAlgorithm},
		{"null", byHS, `{"alg":null}`, none, auth.ReasonAlgorithm},
		{"other case", byHS, `{"alg":"hs256"}`, hs256([]byte(secret)), auth.ReasonAlgorithm},
		{"same family, other hash", byHS, `{"alg":"HS512"}`, hs256([]byte(secret)), auth.ReasonAlgorithm},
		{"unknown", byHS, `{"alg":"canary"}`, hs256([]byte(secret)), auth.ReasonAlgorithm},
		{"HS256 with the RSA key's PEM as secret", byRSA, `{"alg":"HS256"}`, hs256(rsaPEM), auth.ReasonAlgorithm},
		{"HS256 with the EC key's PEM as secret", byEC, `{"alg":"HS256"}`, hs256(ecPEM), auth.ReasonAlgorithm},
		{"HS256 with the Ed25519 key as secret", byEd, `{"alg":"HS256"}`, hs256(edPub), auth.ReasonAlgorithm},
		{"HS256's MAC called RS256", byRSA, `{"alg":"RS256"}`, hs256(rsaPEM), auth.ReasonSignature},
		{"RS256 before a secret", byHS, `{"alg":"RS256"}`, rs256(t, rsaPriv), auth.ReasonAlgorithm},
		{"ES256 before an RSA key", byRSA, `{"alg":"ES256"}`, es256(t, ecPriv), auth.ReasonAlgorithm},
		{"EdDSA before an EC key", byEC, `{"alg":"EdDSA"}`, eddsa(edPriv), auth.ReasonAlgorithm},
		{"PS256 before an RSA key", byRSA, `{"alg":"PS256"}`, rs256(t, rsaPriv), auth.ReasonAlgorithm},
		{"RS512 before an RSA key", byRSA, `{"alg":"RS512"}`, rs256(t, rsaPriv), auth.ReasonAlgorithm},
		{"another RSA key", byRSA, `{"alg":"RS256"}`, rs256(t, otherRSA), auth.ReasonSignature},
		{"ES256 with zeros", byEC, `{"alg":"ES256"}`, func(string) []byte { return make([]byte, 64) }, auth.ReasonSignature},
		{"ES256 with nothing", byEC, `{"alg":"ES256"}`, none, auth.ReasonSignature},
		{"EdDSA with zeros", byEd, `{"alg":"EdDSA"}`, func(string) []byte { return make([]byte, 64) }, auth.ReasonSignature},
		{"two algorithms", byRSA, `{"alg":"RS256","alg":"HS256"}`, hs256(rsaPEM), auth.ReasonAlgorithm},
		{"a wrong secret", byHS, `{"alg":"HS256"}`, hs256([]byte(strings.ToUpper(secret))), auth.ReasonSignature},
		{"an empty secret", byHS, `{"alg":"HS256"}`, hs256(nil), auth.ReasonSignature},
		{"crit", byHS, `{"alg":"HS256","crit":["exp"]}`, hs256([]byte(secret)), auth.ReasonMalformed},
		{"unencoded payload", byHS, `{"alg":"HS256","b64":false,"crit":["b64"]}`, hs256([]byte(secret)), auth.ReasonMalformed},
	} {
		refused(t, c.name, c.v, token(c.header, good, c.sign), c.want)
	}
}

// What the header says about keys changes nothing: neither which one is used, nor
// whether a good signature is good.
func TestVerifyIgnoresKeyHints(t *testing.T) {
	v := newVerifier(t, auth.Options{})
	attacker := []byte("the-attackers-own-secret-0123456789")
	for _, hint := range []string{
		`"kid":"other"`,
		`"kid":"../../../../dev/null"`,
		`"kid":"' UNION SELECT 'x"`,
		`"kid":""`,
		`"kid":7`,
		`"kid":null`,
		`"jku":"https://evil.example/jwks.json"`,
		`"x5u":"http://169.254.169.254/"`,
		`"jwk":{"kty":"oct","k":"` + b64(string(attacker)) + `"}`,
		`"x5c":["AAAA"]`,
	} {
		header := `{"alg":"HS256",` + hint + `}`
		if _, err := v.Verify(token(header, good, hs256([]byte(secret)))); err != nil {
			t.Errorf("%s: a good token is refused: %v", hint, err)
		}
		refused(t, hint+", signed by the attacker", v, token(header, good, hs256(attacker)), auth.ReasonSignature)
		refused(t, hint+", signed with nothing", v, token(header, good, hs256(nil)), auth.ReasonSignature)
	}
}

func FuzzVerify(f *testing.F) {
	for _, payload := range []string{good, `{}`, `null`, `{"sub":"alice","scope":[],"aud":{},` + exp + `}`} {
		f.Add(`{"alg":"HS256"}`, payload)
	}
	v, err := auth.NewVerifier(auth.Options{HS256Secret: []byte(secret), Now: clock})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		id, err := v.Verify(token(header, payload, hs256([]byte(secret))))
		var e *auth.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("error of type %T", err)
		}
		if err == nil && (!id.User.Valid() || !id.NS.Valid() || !id.Expires.After(now)) {
			t.Errorf("identity %+v", id)
		}
	})
}
