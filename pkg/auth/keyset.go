package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// The times of a [KeySet].
const (
	// KeySetEvery is how often the keys are fetched anew: a key that the issuer has
	// withdrawn is good for so long at most, while the issuer can be reached.
	KeySetEvery = 10 * time.Minute
	// KeySetPause is the least time between two fetches that went well, whatever
	// tokens say.
	KeySetPause = 15 * time.Second
	// KeySetTimeout bounds one fetch, and how long a token waits for one.
	KeySetTimeout = 5 * time.Second

	// unknownFor is how long a kid that was looked for in vain causes no fetch: so
	// long at most waits a key that is used before it is published.
	unknownFor  = time.Minute
	maxUnknown  = 1024        // such kids; when full, all are forgotten
	maxWaiting  = 1024        // tokens that wait for a fetch; those beyond are refused
	firstRetry  = time.Second // after a fetch that failed, doubled each time up to KeySetPause
	maxIdleConn = 30 * time.Second
)

// KeySetOptions configure a [KeySet]. URL is required.
type KeySetOptions struct {
	// URL is where the issuer publishes its JSON Web Key Set (RFC 7517 §5): https,
	// or http on a loopback address. Redirects are not followed.
	URL string
	// Transport fetches. Nil: one of its own, with the proxies of the environment.
	Transport http.RoundTripper
	// Log gets what became of fetches. Nil: slog.Default().
	Log *slog.Logger
}

// KeySet is the keys of one issuer, by kid, fetched over HTTP and kept up to date
// by [KeySet.Run]. While the issuer is away the keys that were fetched last are
// kept. It is safe for concurrent use.
type KeySet struct {
	url    string
	host   string // for logs: a URL may contain secrets
	client *http.Client
	log    *slog.Logger
	wanted chan struct{} // a token with an unknown kid is waiting

	mu      sync.Mutex
	keys    map[string]publicKey // nil: never fetched
	unknown map[string]time.Time // kid → until when it causes no fetch
	next    time.Time            // no fetch before
	waiting int
	fetched chan struct{} // closed after the next fetch, and replaced
}

// NewKeySet makes an empty set. It does not block, and fetches nothing: Run does.
func NewKeySet(o KeySetOptions) (*KeySet, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("the URL of the keys is not an https:// URL")
	case u.User != nil:
		return nil, errors.New("the URL of the keys has a user name; keys are public")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return nil, errors.New("the URL of the keys is not https: who can change the answer could make tokens for anybody")
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: KeySetTimeout,
			MaxResponseHeaderBytes: 64 << 10, MaxIdleConns: 1, IdleConnTimeout: maxIdleConn}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &KeySet{url: o.URL, host: u.Host, log: o.Log, client: &http.Client{Transport: o.Transport, CheckRedirect: stay, Timeout: KeySetTimeout},
		wanted: make(chan struct{}, 1), unknown: map[string]time.Time{}, fetched: make(chan struct{})}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Run fetches the keys, at once, then each [KeySetEvery] and when a token names a key
// that is not known, never two fetches at a time and never within [KeySetPause] of
// a fetch that went well. It blocks until ctx ends.
func (s *KeySet) Run(ctx context.Context) {
	defer s.client.CloseIdleConnections()
	retry := firstRetry
	for {
		err := s.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		pause, every := KeySetPause, KeySetEvery
		if err != nil {
			s.log.Warn("the keys for tokens cannot be fetched; those fetched last are kept", "host", s.host, "known", s.Len(), "error", err)
			pause, every = retry, retry
			retry = min(2*retry, KeySetPause)
		} else {
			retry = firstRetry
		}
		s.finish(pause)
		if !s.sleep(ctx, pause, every) {
			return
		}
	}
}

// sleep waits for the time of the next fetch, or for somebody who wants one once the
// pause is over. False: ctx has ended.
func (s *KeySet) sleep(ctx context.Context, pause, every time.Duration) bool {
	least, most := time.NewTimer(pause), time.NewTimer(every)
	defer least.Stop()
	defer most.Stop()
	select {
	case <-least.C:
	case <-ctx.Done():
		return false
	}
	select {
	case <-s.wanted:
	case <-most.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// finish lets those go on who waited for a fetch, whatever became of it.
func (s *KeySet) finish(pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = time.Now().Add(pause)
	close(s.fetched)
	s.fetched = make(chan struct{})
	select {
	case <-s.wanted: // that was this fetch
	default:
	}
}

// Len is how many keys are known; 0: none was fetched yet.
func (s *KeySet) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

func (s *KeySet) fetch(ctx context.Context) error {
	data, _, err := s.get(ctx)
	if err != nil {
		return err
	}
	keys, skipped, err := parseKeySet(data)
	if err != nil {
		return errors.Join(append(skipped, err)...)
	}
	for _, err := range skipped {
		s.log.Info("a published key is not used", "host", s.host, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
	return nil
}

func (s *KeySet) get(ctx context.Context) (data []byte, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, nil, errors.New("make the request: the URL is malformed")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return nil, nil, fmt.Errorf("ask for the keys: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("ask for the keys: status %d", res.StatusCode)
	}
	data, err = io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the keys: %w", err)
	}
	if len(data) > maxKeySet {
		return nil, nil, fmt.Errorf("the answer has more than %d bytes: it is no set of keys", maxKeySet)
	}
	return data, res.Header, nil
}

// key finds a key. A kid that is not known may be a new one: then it waits for one
// fetch, if one may begin now, for at most [KeySetTimeout]. Its error is an [*Error].
func (s *KeySet) key(kid string) (publicKey, error) {
	if kid == "" || len(kid) > maxKeyID {
		return publicKey{}, &Error{ReasonKey}
	}
	k, fetched, err := s.find(kid)
	if fetched == nil {
		return k, err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting--
	}()
	over := time.NewTimer(KeySetTimeout)
	defer over.Stop()
	select {
	case <-fetched:
	case <-over.C:
		return publicKey{}, &Error{ReasonNoKeys}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[kid]; ok {
		return k, nil
	}
	return publicKey{}, s.missLocked(kid)
}

// find looks a key up. It returns the end of a fetch where that is worth waiting for.
func (s *KeySet) find(kid string) (k publicKey, fetched <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[kid]; ok {
		return k, nil, nil
	}
	now := time.Now()
	switch {
	case now.Before(s.unknown[kid]):
		return k, nil, &Error{ReasonKey}
	case now.Before(s.next):
		if s.keys == nil {
			return k, nil, &Error{ReasonNoKeys}
		}
		return k, nil, &Error{ReasonKey}
	case s.waiting >= maxWaiting:
		return k, nil, &Error{ReasonNoKeys}
	}
	s.waiting++
	select {
	case s.wanted <- struct{}{}:
	default:
	}
	return k, s.fetched, nil
}

// missLocked notes that a kid was looked for in vain. While nothing was ever
// fetched, that says nothing about the kid.
func (s *KeySet) missLocked(kid string) error {
	if s.keys == nil {
		return &Error{ReasonNoKeys}
	}
	if len(s.unknown) >= maxUnknown {
		clear(s.unknown)
	}
	s.unknown[kid] = time.Now().Add(unknownFor)
	return &Error{ReasonKey}
}
