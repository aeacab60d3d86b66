package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const idp = "https://idp.example"

// issued is a payload of the issuer's.
const issued = `{"sub":"alice","iss":"` + idp + `",` + exp + `}`

// issuer is an endpoint without a network. Its fields are guarded by mu.
type issuer struct {
	mu      sync.Mutex
	status  int // 0: away
	body    string
	delay   time.Duration
	fetches int
	busy    atomic.Int32
}

func (i *issuer) set(status int, keys ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.body = status, `{"keys":[`+strings.Join(keys, ",")+`]}`
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if i.busy.Add(1) > 1 {
		panic("two fetches at a time")
	}
	defer i.busy.Add(-1)
	i.mu.Lock()
	i.fetches++
	status, body, delay := i.status, i.body, i.delay
	i.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result(), nil
}

func num(b []byte) string { return b64(string(b)) }

func jwkRSA(kid string, k *rsa.PublicKey, more string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q%s}`, kid, num(k.N.Bytes()), num(big.NewInt(int64(k.E)).Bytes()), more)
}

func jwkEC(t *testing.T, kid string, k *ecdsa.PublicKey, more string) string {
	point, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(point) / 2
	return fmt.Sprintf(`{"kty":"EC","crv":%q,"kid":%q,"x":%q,"y":%q%s}`, k.Params().Name, kid, num(point[1:1+half]), num(point[1+half:]), more)
}

func jwkEd(kid string, k ed25519.PublicKey, more string) string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q%s}`, kid, num(k), more)
}

func head(alg, kid string) string { return fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, kid) }

// runSet starts a set of the issuer's keys; it must be called in a synctest bubble.
func runSet(t *testing.T, i *issuer) *auth.Verifier {
	set, err := auth.NewKeySet(auth.KeySetOptions{URL: idp + "/keys?canary=1", Transport: i, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); set.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	v, err := auth.NewVerifier(auth.Options{Keys: set, Issuer: idp, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func accepted(t *testing.T, name string, v *auth.Verifier, token string) {
	t.Helper()
	if _, err := v.Verify(token); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestKeySetAlgorithms(t *testing.T) {
	rsaK, ecK := rsaKey(t, 2048), ecKey(t, elliptic.P256())
	edPub, edPriv := edKey(t)
	other := rsaKey(t, 2048)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		i.set(200, jwkRSA("r", &rsaK.PublicKey, `,"use":"sig","alg":"RS256"`), jwkEC(t, "e", &ecK.PublicKey, `,"key_ops":["verify"]`), jwkEd("d", edPub, `,"alg":"Ed25519","more":{"x":1}`),
			`{"kty":"oct","kid":"o","k":"`+b64(secret)+`"}`, `7`, `{"kty":"RSA","kid":"broken","n":"!","e":"AQAB"}`,
			jwkRSA("enc", &other.PublicKey, `,"use":"enc"`), jwkRSA("wrap", &other.PublicKey, `,"key_ops":["wrapKey"]`),
			jwkRSA("r512", &other.PublicKey, `,"alg":"RS512"`), jwkRSA("leaked", &other.PublicKey, `,"d":"AQAB"`),
			jwkRSA("twice", &other.PublicKey, ""), jwkRSA("twice", &rsaK.PublicKey, ""), jwkRSA("twice", &other.PublicKey, ""), jwkRSA("", &other.PublicKey, ""))
		v := runSet(t, i)
		accepted(t, "RS256", v, token(head("RS256", "r"), issued, rs256(t, rsaK)))
		accepted(t, "ES256", v, token(head("ES256", "e"), issued, es256(t, ecK)))
		accepted(t, "EdDSA", v, token(head("EdDSA", "d"), issued, eddsa(edPriv)))

		// The key says which algorithm it is for, whatever the token says.
		for _, c := range []struct {
			name, header string
			sign         signer
			want         auth.Reason
		}{
			{"none", head("none", "r"), none, auth.ReasonAlgorithm},
			{"HMAC with the modulus", head("HS256", "r"), hs256(rsaK.N.Bytes()), auth.ReasonAlgorithm},
			{"HMAC with a published secret", head("HS256", "o"), hs256([]byte(secret)), auth.ReasonAlgorithm},
			{"RS512", head("RS512", "r"), rs256(t, rsaK), auth.ReasonAlgorithm},
			{"ES256 with an RSA key", head("ES256", "r"), es256(t, ecK), auth.ReasonAlgorithm},
			{"RS256 with an EC key", head("RS256", "e"), rs256(t, rsaK), auth.ReasonAlgorithm},
			{"EdDSA with an EC key", head("EdDSA", "e"), eddsa(edPriv), auth.ReasonAlgorithm},
			{"another's signature", head("RS256", "r"), rs256(t, other), auth.ReasonSignature},
			{"no kid", `{"alg":"RS256"}`, rs256(t, rsaK), auth.ReasonKey},
			{"a kid that is no string", `{"alg":"RS256","kid":["r"]}`, rs256(t, rsaK), auth.ReasonKey},
			{"a long kid", head("RS256", strings.Repeat("r", 300)), rs256(t, rsaK), auth.ReasonKey},
			{"crit", `{"alg":"RS256","kid":"r","crit":["x"]}`, rs256(t, rsaK), auth.ReasonMalformed},
			{"key for encryption", head("RS256", "enc"), rs256(t, other), auth.ReasonKey},
			{"key for wrapping", head("RS256", "wrap"), rs256(t, other), auth.ReasonKey},
			{"key for another algorithm", head("RS256", "r512"), rs256(t, other), auth.ReasonKey},
			{"private key", head("RS256", "leaked"), rs256(t, other), auth.ReasonKey},
			{"kid of three keys", head("RS256", "twice"), rs256(t, other), auth.ReasonKey},
			{"attacker's key in the header", `{"alg":"RS256","kid":"r","jwk":` + jwkRSA("r", &other.PublicKey, "") + `,"jku":"https://evil.example"}`, rs256(t, other), auth.ReasonSignature},
		} {
			refused(t, c.name, v, token(c.header, issued, c.sign), c.want)
		}
		foreign := strings.Replace(issued, idp, "https://other.example", 1)
		refused(t, "another issuer", v, token(head("RS256", "r"), foreign, rs256(t, rsaK)), auth.ReasonIssuer)
	})
}

func TestKeySetRotates(t *testing.T) {
	_, old := edKey(t)
	_, fresh := edKey(t)
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		i.set(200, jwkEd("old", public(old), ""))
		v := runSet(t, i)
		oldToken, newToken := token(head("EdDSA", "old"), issued, eddsa(old)), token(head("EdDSA", "new"), issued, eddsa(fresh))
		accepted(t, "first key", v, oldToken)
		synctest.Wait() // the fetch is over: a kid that is asked for before its end counts as looked for
		i.set(200, jwkEd("old", public(old), ""), jwkEd("new", public(fresh), ""))
		refused(t, "new key, right after a fetch", v, newToken, auth.ReasonKey)
		time.Sleep(auth.KeySetPause)
		accepted(t, "new key", v, newToken)
		accepted(t, "old key", v, oldToken)
		if n := i.count(); n != 2 {
			t.Errorf("%d fetches", n)
		}
		i.set(200, jwkEd("new", public(fresh), ""))
		time.Sleep(auth.KeySetEvery + time.Second)
		synctest.Wait()
		accepted(t, "new key", v, newToken)
		refused(t, "withdrawn key", v, oldToken, auth.ReasonKey)
	})
}

// What the endpoint answers while something is wrong with it takes no key away.
func TestKeySetKeepsKeysWhileTheIssuerIsAway(t *testing.T) {
	pub, priv := edKey(t)
	good := jwkEd("k", pub, "")
	tok := token(head("EdDSA", "k"), issued, eddsa(priv))
	many := strings.TrimSuffix(strings.Repeat(good+",", 65), ",")
	for name, broken := range map[string]func(*issuer){
		"away":      func(i *issuer) { i.set(0) },
		"error":     func(i *issuer) { i.set(500, good) },
		"redirect":  func(i *issuer) { i.set(302, good) },
		"no keys":   func(i *issuer) { i.set(200) },
		"garbage":   func(i *issuer) { i.set(200, `"}`) },
		"many keys": func(i *issuer) { i.set(200, many) },
		"huge":      func(i *issuer) { i.set(200, good, `{"x":"`+strings.Repeat("x", 300<<10)+`"}`) },
		"slow":      func(i *issuer) { i.set(200, good); i.mu.Lock(); i.delay = time.Hour; i.mu.Unlock() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{}
				broken(i)
				v := runSet(t, i)
				_, err := v.Verify(tok) // at the start: nothing is known of the token
				var public *chat.Error
				if !errors.Is(err, auth.ErrUnavailable) || !errors.As(err, &public) || public.Code != chat.CodeUnavailable {
					t.Fatalf("without keys: %v", err)
				}
				i.set(200, good)
				i.mu.Lock()
				i.delay = 0
				i.mu.Unlock()
				time.Sleep(auth.KeySetPause + auth.KeySetTimeout)
				accepted(t, "back", v, tok)
				broken(i)
				time.Sleep(time.Hour)
				accepted(t, "away again", v, tok)
				i.mu.Lock()
				i.delay = 0
				i.mu.Unlock()
			})
		})
	}
}

// Tokens with kids that nobody knows cost a fetch each pause, however many come.
func TestKeySetStorm(t *testing.T) {
	pub, priv := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{delay: 100 * time.Millisecond}
		i.set(200, jwkEd("k", pub, ""))
		v := runSet(t, i)
		begin := time.Now()
		var all sync.WaitGroup
		for n := range 300 {
			all.Go(func() {
				for round := range 10 {
					_, _ = v.Verify(token(head("EdDSA", fmt.Sprintf("k%d-%d", n, round)), issued, eddsa(priv)))
					time.Sleep(10 * time.Second)
				}
			})
		}
		all.Wait()
		most := int(time.Since(begin)/auth.KeySetPause) + 1
		if n := i.count(); n < 2 || n > most {
			t.Errorf("%d fetches, at most %d allowed", n, most)
		}
		accepted(t, "good", v, token(head("EdDSA", "k"), issued, eddsa(priv)))
	})
}

func TestKeySetUnknownKidIsRemembered(t *testing.T) {
	pub, priv := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		i.set(200, jwkEd("k", pub, ""))
		v := runSet(t, i)
		tok := token(head("EdDSA", "nobody"), issued, eddsa(priv))
		for range 4 {
			time.Sleep(auth.KeySetPause)
			refused(t, "unknown", v, tok, auth.ReasonKey)
		}
		if n := i.count(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestNewKeySetRefuses(t *testing.T) {
	for _, u := range []string{"", "idp/jwks", "http://idp.example/jwks", "http://127.0.0.1.evil.example/", "file:///etc/passwd", "https://u:canary@idp.example/", "ftp://localhost/"} {
		if _, err := auth.NewKeySet(auth.KeySetOptions{URL: u}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: error %v", u, err)
		}
	}
	set, err := auth.NewKeySet(auth.KeySetOptions{URL: idp})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.NewVerifier(auth.Options{Keys: set}); err == nil {
		t.Error("taken without issuer")
	}
	if _, err := auth.NewVerifier(auth.Options{Keys: set, Issuer: idp, HS256Secret: []byte(secret)}); err == nil {
		t.Error("taken with a secret")
	}
}

// Over a real connection, on the loopback interface. In a bubble, whose clock stands still
// while the server waits for one: a fetch may take as long as it takes.
func TestKeySetOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pub, priv := edKey(t)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, jwkEd("k", pub, ""))
		}))
		defer srv.Close()
		o, err := auth.LoadFiles(auth.FileOptions{JWKSURL: srv.URL, Issuer: idp, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); o.Keys.Run(ctx) }()
		v, err := auth.NewVerifier(o)
		if err != nil {
			t.Fatal(err)
		}
		accepted(t, "good", v, token(head("EdDSA", "k"), issued, eddsa(priv)))
		cancel()
		<-ended
	})
}

func TestKeySetStats(t *testing.T) {
	pub, _ := edKey(t)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		i.set(500)
		set, err := auth.NewKeySet(auth.KeySetOptions{URL: idp + "/keys", Transport: i, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); set.Run(ctx) }()
		synctest.Wait()
		if s := set.Stats(); s.Failed != 1 || s.Fetched != 0 || !s.At.IsZero() || s.Keys != 0 {
			t.Errorf("away: %+v", s)
		}
		i.set(200, jwkEd("k", pub, ""))
		time.Sleep(auth.KeySetPause)
		synctest.Wait()
		if s := set.Stats(); s.Fetched != 1 || s.At.IsZero() || s.Keys != 1 {
			t.Errorf("back: %+v", s)
		}
		cancel()
		<-ended
	})
	if s := (*auth.KeySet)(nil).Stats(); s != (auth.KeySetStats{}) {
		t.Errorf("none: %+v", s)
	}
}
