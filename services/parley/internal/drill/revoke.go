package drill

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// revocationFaults take away what news of revocations goes by.
func revocationFaults() []Scenario {
	return []Scenario{
		{Name: "revoke-without-nats", restarts: true, Short: true, About: "a user's tokens are revoked while NATS is dead",
			run: revokeWithoutNATS},
	}
}

const (
	revoked       = chat.User("revoked")
	revokeDevices = 6               // of the user, on all gateways
	revokeWithin  = 5 * time.Second // the promise
)

// watched is a session, and when it was closed.
type watched struct {
	*client.Client
	welcomed chan struct{}

	mu    sync.Mutex
	ended time.Time
	code  chat.CloseCode
}

// watch connects a device with one token for ever: after a revocation it does not come
// back.
func (w *world) watch(ctx context.Context, user chat.User, device, url string) (*watched, error) {
	token, err := w.cluster.Token(user)
	if err != nil {
		return nil, err
	}
	s := &watched{welcomed: make(chan struct{})}
	var once sync.Once
	s.Client, err = client.Start(ctx, client.Options{
		URLs: []string{url}, Device: chat.Device(device), Token: func(context.Context) (string, error) { return token, nil },
		Handler: func(client.Event) {},
		Trace: client.Trace{
			Read: func(_ int, frame any, _ []byte) {
				if _, ok := frame.(*wire.Welcome); ok {
					once.Do(func() { close(s.welcomed) })
				}
			},
			Close: func(_ int, code chat.CloseCode, _ error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.ended.IsZero() {
					s.ended, s.code = time.Now(), code
				}
			},
		}})
	if err != nil {
		return nil, fmt.Errorf("start a client: %w", err)
	}
	select {
	case <-s.welcomed:
		return s, nil
	case <-ctx.Done():
		s.Close()
		return nil, fmt.Errorf("%s is not let in: %w", user, ctx.Err())
	}
}

// closed is when the session ended, and how.
func (s *watched) closed() (time.Time, chat.CloseCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended, s.code
}

// revokeWithoutNATS sees that all sessions of a user end in time, on gateways that nobody
// can tell of the revocation, that they do not come back, and that others stay.
func revokeWithoutNATS(ctx context.Context, w *world, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	urls := w.urls()
	var theirs, others []*watched
	defer func() {
		for _, s := range append(theirs, others...) {
			s.Close()
		}
	}()
	for i := range revokeDevices {
		s, err := w.watch(ctx, revoked, fmt.Sprint("device-", i), urls[i%len(urls)])
		if err != nil {
			return err
		}
		theirs = append(theirs, s)
		if s, err = w.watch(ctx, chat.User(fmt.Sprint("other-", i)), "device", urls[i%len(urls)]); err != nil {
			return err
		}
		others = append(others, s)
	}
	if !pause(ctx, 1100*time.Millisecond) { // tokens tell when they were made to the second
		return ctx.Err()
	}
	for _, s := range append(theirs[:revokeDevices:revokeDevices], others...) {
		if at, code := s.closed(); !at.IsZero() {
			return fmt.Errorf("a session ended with %d before anything was done", code)
		}
	}
	if err := w.cluster.NATS.Kill(); err != nil {
		return err
	}
	w.struck("killed NATS")
	asked := time.Now()
	if err := w.ask(ctx, w.cluster.Gateways[0].URL(), "POST", "/v1/revocations", "root", map[string]any{"user": revoked}, nil, auth.ScopeRevokeAny); err != nil {
		return err
	}
	answered := time.Now()
	if err := w.judgeRevoked(ctx, r, theirs, answered); err != nil {
		return err
	}
	for _, s := range others {
		if at, code := s.closed(); !at.IsZero() {
			r.violated(fmt.Sprintf("a session of another user was closed with %d", code))
		}
	}
	r.Sent, r.Acked = int64(len(theirs)), int64(len(theirs))
	w.opt.Progress(fmt.Sprintf("    revoked in %.0f ms; %s", answered.Sub(asked).Seconds()*1000, r.Note))
	return again(ctx, w.cluster.NATS)
}

// judgeRevoked waits for the sessions to end, as long as they may take.
func (w *world) judgeRevoked(ctx context.Context, r *Result, list []*watched, since time.Time) error {
	slowest := time.Duration(0)
	for i, s := range list {
		at, code := s.closed()
		for at.IsZero() && time.Since(since) < revokeWithin {
			if !pause(ctx, 5*time.Millisecond) {
				return ctx.Err()
			}
			at, code = s.closed()
		}
		switch took := at.Sub(since); {
		case at.IsZero():
			r.violated(fmt.Sprintf("session %d still lives %v after the revocation", i, time.Since(since).Round(time.Millisecond)))
		case code != chat.CloseUnauthorized:
			r.violated(fmt.Sprintf("session %d was closed with %d", i, code))
		default:
			slowest = max(slowest, took)
		}
	}
	r.Staleness = float64(slowest.Milliseconds())
	r.Note = fmt.Sprintf("the last of %d sessions ended %.1f s after the answer", len(list), slowest.Seconds())
	for i, s := range list { // nobody came back with the old token
		if n := s.Stats().Connects; n != 1 {
			r.violated(fmt.Sprintf("session %d was let in %d times", i, n))
		}
	}
	return nil
}
