package rest

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
)

func TestLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	api := &API{Verifier: tokens{"good": {NS: "_", User: "alice"}, "other": {NS: "_", User: "bob"}},
		Guard: guard.New(guard.Options{Local: true, UserRequests: 1, Failures: 1, Now: func() time.Time { return now }})}
	h := api.Handle(func(w http.ResponseWriter, _ *http.Request, _ auth.Identity) error {
		JSON(w, 200, "ok")
		return nil
	})
	as := func(token string) int {
		return get(h, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }).Code
	}
	for i, want := range []int{200, 200, 429} {
		if got := as("good"); got != want {
			t.Errorf("request %d: %d", i, got)
		}
	}
	w := get(h, func(r *http.Request) { r.Header.Set("Authorization", "Bearer good") })
	if p := problemOf(t, w); p.Code != chat.CodeRateLimited || p.RetryAfterMS != 1000 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%+v, %v", p, w.Header())
	}
	if got := as("other"); got != 200 {
		t.Errorf("another user: %d", got)
	}
	for i := range 10 {
		if got := as("guess"); got != 401 {
			t.Errorf("guess %d: %d", i, got)
		}
	}
	if got := as("other"); got != 429 {
		t.Errorf("after ten guesses: %d", got)
	}
	now = now.Add(2 * time.Second)
	if got := as("other"); got != 200 {
		t.Errorf("two seconds later: %d", got)
	}
}

func TestGuessed(t *testing.T) {
	for reason, want := range map[auth.Reason]bool{
		auth.ReasonSignature: true, auth.ReasonMalformed: true, auth.ReasonAlgorithm: true, auth.ReasonKey: true, auth.ReasonAudience: true,
		auth.ReasonMissing: false, auth.ReasonExpired: false, auth.ReasonRevoked: false, auth.ReasonBanned: false, auth.ReasonNoKeys: false,
	} {
		if Guessed(&auth.Error{Reason: reason}) != want {
			t.Errorf("%s: %v", reason, !want)
		}
	}
	if Guessed(errNoToken) || Guessed(nil) {
		t.Error("no token is no guess")
	}
}

// Only the first request of a connection has waited since the connection was made.
func TestArrived(t *testing.T) {
	took := make(chan bool, 1)
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		now := time.Now()
		at := Arrived(r, now)
		took <- at.Before(now)
	}), slog.New(slog.DiscardHandler))
	srv.Start()
	defer srv.Close()
	// Not with an http.Client, which makes another connection where the end of a request's
	// writing is noticed later than its answer.
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for i, want := range []bool{true, false, false} {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if got := <-took; got != want {
			t.Errorf("request %d: arrived before: %v", i+1, got)
		}
	}
	now := time.Now()
	if got := Arrived(httptest.NewRequest("GET", "/", nil), now); !got.Equal(now) {
		t.Errorf("elsewhere: %v", got)
	}
}
