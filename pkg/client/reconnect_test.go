package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestCloseVerdict(t *testing.T) {
	want := map[chat.CloseCode]action{
		1000: backOff, 1001: soon, 1002: backOff, 1006: backOff, 1009: giveUpOne, 1011: backOff, 1012: soon, 1013: backOff,
		4400: stop, 4401: refresh, 4403: stop, 4409: stop, 4429: backOff, 4508: backOff, 4999: backOff,
	}
	for code, act := range want {
		if got := closeVerdict(code); got != act {
			t.Errorf("%d: %d, want %d", code, got, act)
		}
	}
	for status, act := range map[int]action{400: backOff, 401: refresh, 403: stop, 404: backOff, 429: backOff, 503: backOff} {
		if got := upgradeVerdict(status); got != act {
			t.Errorf("HTTP %d: %d, want %d", status, got, act)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{min: 100 * time.Millisecond, max: 10 * time.Second, jitter: func(d time.Duration) time.Duration { return d }}
	var got []time.Duration
	for range 9 {
		got = append(got, b.next()/time.Millisecond)
	}
	if !slices.Equal(got, []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}) {
		t.Error(got)
	}
	b.reset()
	if b.next() != 100*time.Millisecond {
		t.Error("reset")
	}
	jitter := Options{}.withDefaults().Jitter
	for range 1000 {
		if d := jitter(time.Millisecond); d < 0 || d > time.Millisecond {
			t.Fatal(d)
		}
	}
}

func TestStopCodes(t *testing.T) {
	for _, code := range []chat.CloseCode{4400, 4403, 4409} {
		play(t, Options{}, func(t *testing.T, b *bench) {
			p, _ := b.live()
			s := b.send(conv, "x")
			read[*wire.Send](p)
			p.close(code)
			<-b.c.Done()
			var ce *CloseError
			if !errors.As(b.c.Err(), &ce) || ce.Code != code || ce.Reason != "because" {
				t.Error(code, b.c.Err())
			}
			if st := b.state(Stopped); st.Err == nil {
				t.Error("no reason")
			}
			if _, err := s.Wait(t.Context()); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
}

func TestBackOffCodesTryAnotherGateway(t *testing.T) {
	for _, code := range []chat.CloseCode{1011, 1013, 4429, 4508, 0} {
		play(t, Options{URLs: []string{"http://one", "ws://two/v1/ws"}}, func(t *testing.T, b *bench) {
			p, _ := b.live()
			start := time.Now()
			if code == 0 {
				p.cut()
			} else {
				p.close(code)
			}
			p, _ = b.accept()
			if d := time.Since(start); d != 100*time.Millisecond {
				t.Errorf("%d: came back after %v", code, d)
			}
			start = time.Now()
			p.close(code + 1013*b2i(code == 0)) // without having been live: longer
			b.live()
			if d := time.Since(start); d != 200*time.Millisecond {
				t.Errorf("%d: came back after %v", code, d)
			}
			if !slices.Equal(b.hosts, []string{"one:80", "two:80", "one:80"}) {
				t.Error(b.hosts)
			}
		})
	}
}

func b2i(b bool) chat.CloseCode {
	if b {
		return 1
	}
	return 0
}

func TestFailedDialTriesAnotherGateway(t *testing.T) {
	play(t, Options{URLs: []string{"http://one", "http://two"}}, func(t *testing.T, b *bench) {
		b.live()
	})
	play(t, Options{URLs: []string{"http://one", "http://two"}}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		b.mu.Lock()
		b.refuse = []int{0, http.StatusServiceUnavailable}
		b.mu.Unlock()
		p.cut()
		b.live()
		if !slices.Equal(b.hosts, []string{"one:80", "two:80", "one:80", "two:80"}) {
			t.Error(b.hosts)
		}
	})
}

func TestTokenIsRefreshed(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		p.close(4401)
		p, _ = b.live()
		b.mu.Lock()
		b.refuse = []int{http.StatusUnauthorized}
		b.mu.Unlock()
		p.cut()
		b.live()
		want := []string{"Bearer token1", "Bearer token2", "Bearer token2", "Bearer token3"}
		if !slices.Equal(b.tokens, want) {
			t.Error(b.tokens)
		}
	})
}

func TestSameTokenAgainEnds(t *testing.T) {
	opt := Options{Token: func(context.Context) (string, error) { return "fixed", nil }}
	play(t, opt, func(t *testing.T, b *bench) {
		p, _ := b.accept()
		p.close(4401)
		<-b.c.Done()
		var ce *chat.Error
		if !errors.As(b.c.Err(), &ce) || ce.Code != chat.CodeUnauthenticated {
			t.Error(b.c.Err())
		}
	})
}

func TestTokenSourceMayFail(t *testing.T) {
	n := 0
	opt := Options{Token: func(context.Context) (string, error) {
		if n++; n < 3 {
			return "", errors.New("away")
		}
		return "t", nil
	}}
	play(t, opt, func(t *testing.T, b *bench) {
		b.live()
		if st := b.state(Offline); !strings.Contains(st.Err.Error(), "away") {
			t.Error(st)
		}
	})
}

func TestForbiddenUpgradeEnds(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		b.mu.Lock()
		b.refuse = []int{http.StatusForbidden}
		b.mu.Unlock()
		p.cut()
		<-b.c.Done()
	})
}

func TestGoAway(t *testing.T) {
	play(t, Options{URLs: []string{"http://one", "http://two"}}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		start := time.Now()
		p.write(&wire.GoAway{Type: "goaway", ReconnectMS: 4000})
		s := b.send(conv, "the socket stays usable")
		p.ack(read[*wire.Send](p), conv, 1)
		s.Wait(t.Context())
		if code := p.gone(); code != 1000 || time.Since(start) != 4*time.Second {
			t.Errorf("left with %d after %v", code, time.Since(start))
		}
		p, _ = b.live()
		if time.Since(start) > 4*time.Second+time.Millisecond {
			t.Error(time.Since(start))
		}
		// The pod closes before the time has come.
		start = time.Now()
		p.write(&wire.GoAway{Type: "goaway", ReconnectMS: 3000, URL: "http://three"})
		p.close(1012)
		p, _ = b.live()
		if d := time.Since(start); d != 3*time.Second {
			t.Error(d)
		}
		// Without a goaway: at once, with jitter (whose limit this test takes).
		start = time.Now()
		p.close(1001)
		b.live()
		if d := time.Since(start); d != soonWithin {
			t.Error(d)
		}
		if !slices.Equal(b.hosts, []string{"one:80", "two:80", "three:80", "two:80"}) {
			t.Error(b.hosts)
		}
	})
}

func TestTooLargeFrameIsNotRepeated(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		small, large := b.send(conv, "small"), b.send(conv, strings.Repeat("x", 1000))
		read[*wire.Send](p)
		read[*wire.Send](p)
		p.close(1009)
		var ce *chat.Error
		if _, err := large.Wait(t.Context()); !errors.As(err, &ce) || ce.Code != chat.CodeTooLarge {
			t.Error(err)
		}
		p, _ = b.live()
		f := read[*wire.Send](p)
		if f.CMID != small.CMID {
			t.Errorf("%+v", f)
		}
	})
}

func TestHeartbeat(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		start := time.Now()
		ping := read[*wire.Ping](p)
		if time.Since(start) != 25*time.Second {
			t.Error(time.Since(start))
		}
		p.write(&wire.Pong{Type: "pong", Ref: ping.Ref})
		read[*wire.Ping](p)
		if time.Since(start) != 50*time.Second {
			t.Error(time.Since(start))
		}
		b.live() // no answer: another connection, ten seconds and a back-off later
		if d := time.Since(start); d != 60*time.Second+100*time.Millisecond {
			t.Error(d)
		}
		if st := b.state(Offline); !errors.Is(st.Err, errSilent) {
			t.Error(st)
		}
		p.cut()
	})
}

// A gateway that has stopped reading is left after ten seconds; Close waits for one.
func TestStuckGateway(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		b.live()
		start := time.Now()
		b.send(conv, "nobody reads this")
		b.live()
		if d := time.Since(start); d != writeWithin+100*time.Millisecond && d != writeWithin+closeWithin+100*time.Millisecond {
			t.Error(d)
		}
		b.send(conv, "nor this")
		synctest.Wait()
		start = time.Now()
		b.c.Close()
		if d := time.Since(start); d != closeWithin {
			t.Error(d)
		}
	})
}

// Nonsense from a gateway ends the connection, not the client.
func TestNonsense(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		for _, nonsense := range []string{"", "[]", `{"type":"ack","seq":"one"}`} {
			p, _ := b.accept()
			if err := p.ws.Write(p.ctx, websocket.MessageText, []byte(nonsense)); err != nil {
				t.Error(err)
			}
			p.gone()
		}
		p, _ := b.accept()
		if err := p.ws.Write(p.ctx, websocket.MessageBinary, []byte(`{"type":"pong"}`)); err != nil {
			t.Error(err)
		}
		p.gone()
		p, _ = b.live()
		// What this version does not know is passed on, and an unknown entry moves the cursor.
		if err := p.ws.Write(p.ctx, websocket.MessageText, []byte(`{"type":"news","x":1}`)); err != nil {
			t.Error(err)
		}
		e := entry(conv, 1)
		e.Type = "polled"
		p.write(e)
		for {
			if f := await[Frame](b); f.Frame == nil {
				if string(f.Raw) != `{"type":"news","x":1}` {
					t.Errorf("%s", f.Raw)
				}
				break
			}
		}
		if e := await[Entry](b); e.Type != "polled" || b.c.Cursor(conv) != 1 {
			t.Errorf("%+v", e)
		}
	})
}

func TestNoWelcome(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		b.accept()
		start := time.Now()
		b.live()
		if d := time.Since(start); d != 10*time.Second+100*time.Millisecond {
			t.Error(d)
		}
	})
}

func TestURLs(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:8080": "ws://h:8080/v1/ws", "https://h/chat/": "wss://h/chat/v1/ws", "wss://h/v1/ws": "wss://h/v1/ws",
		"ftp://h": "", "http://": "", "h:80": "", "": "",
	} {
		got, err := socketURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	ts, _ := newTargets([]string{"https://a"})
	ts.suggest("http://b", "wss://a/v1/ws")
	if ts.pick() != "wss://a/v1/ws" {
		t.Error("the token would go out in the clear")
	}
	if _, err := Start(t.Context(), Options{}); err == nil {
		t.Error("no URL")
	}
	if _, err := Start(t.Context(), Options{URLs: []string{"http://a"}}); err == nil {
		t.Error("no token")
	}
}
