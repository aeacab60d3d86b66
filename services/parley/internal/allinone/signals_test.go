package allinone

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/wire"
)

// socket connects a user and says hello.
func socket(t *testing.T, url, user string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/v1/ws", &websocket.DialOptions{
		Subprotocols: []string{wire.Subprotocol}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token(t, url, user)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	say(t, ws, `{"type":"hello"}`)
	until(t, ws, func(*wire.Synced) bool { return true })
	return ws
}

func say(t *testing.T, ws *websocket.Conn, frame string) {
	t.Helper()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

// until skips frames up to one that is meant.
func until[F any](t *testing.T, ws *websocket.Conn, meant func(F) bool) F {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, data, err := ws.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := wire.DecodeServer(data)
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := frame.(F); ok && meant(f) {
			return f
		}
	}
}

// Presence and typing go over a real NATS, and the store of the embedded binary.
func TestSignalsOverGateways(t *testing.T) {
	c := start(t, Options{Data: t.TempDir(), Gateways: 3, DevTokens: true})
	alice := socket(t, c.URLs[0], "alice")
	say(t, alice, `{"type":"watch","users":["bob","carol"]}`)
	until(t, alice, func(f *wire.Presence) bool { return f.User == "bob" && !f.Online })
	bob := socket(t, c.URLs[2], "bob")
	until(t, alice, func(f *wire.Presence) bool { return f.User == "bob" && f.Online })
	say(t, alice, `{"type":"send","to":"bob","cmid":"m1","body":{"text":"hi"}}`)
	e := until(t, bob, func(*wire.Entry) bool { return true })
	until(t, alice, func(*wire.Entry) bool { return true })
	say(t, bob, `{"type":"typing","conv":"`+string(e.Conv)+`","on":true}`)
	until(t, alice, func(f *wire.TypingBy) bool { return f.User == "bob" && f.On })
	_ = bob.CloseNow()
	gone := until(t, alice, func(f *wire.Presence) bool { return f.User == "bob" && !f.Online })
	if time.Since(gone.LastSeen.Time).Abs() > time.Minute {
		t.Errorf("last seen %v", gone.LastSeen)
	}
	// Who nobody watches on is told of the other pods by their beats alone.
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	for late := time.Now().Add(time.Minute); ; <-beat.C {
		list := c.Online()
		if len(list) == 3 && list[1].Pods == 3 && list[0].Users == 1 {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("%+v", list)
		}
	}
}
