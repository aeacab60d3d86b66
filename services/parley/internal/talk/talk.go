// Package talk speaks with a deployment frame by frame and request by request, in
// raw JSON, as somebody does who tries the protocol out by hand. It is for tests
// that look at what is on the wire itself; package client is for everything else.
package talk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

// patience is how long an answer may take.
const patience = 3 * time.Minute

// frameLimit is the largest frame that is read.
const frameLimit = 4 << 20

// Talker makes requests and sockets of any user.
type Talker struct {
	T     testing.TB // told of what goes wrong, which ends the test
	Token func(chat.User) (string, error)
}

// Frame is a frame as it came, and what most of them have.
type Frame struct {
	Raw  string
	Type string   `json:"type"`
	Ref  string   `json:"ref"`
	Conv string   `json:"conv"`
	Seq  chat.Seq `json:"seq"`
	CMID string   `json:"cmid"`
}

// Socket is one connection. Its methods are for one goroutine.
type Socket struct {
	t    testing.TB
	ws   *websocket.Conn
	Seen func(sent bool, frame string) // told of each frame; may be nil
}

// Dial connects a user to a gateway, and says hello in the given words.
func (k *Talker) Dial(url string, user chat.User, hello string, seen func(sent bool, frame string)) *Socket {
	k.T.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.T.Context()), patience)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer " + k.token(user)}}
	ws, res, err := websocket.Dial(ctx, url+"/v1/ws", &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{"parley.v1"}})
	if err != nil {
		k.T.Fatal(err)
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	ws.SetReadLimit(frameLimit)
	s := &Socket{t: k.T, ws: ws, Seen: seen}
	k.T.Cleanup(s.Close)
	s.Send("%s", hello)
	return s
}

func (k *Talker) token(user chat.User) string {
	k.T.Helper()
	token, err := k.Token(user)
	if err != nil {
		k.T.Fatal(err)
	}
	return token
}

// Close drops the connection.
func (s *Socket) Close() { _ = s.ws.CloseNow() }

// Send writes a frame.
func (s *Socket) Send(format string, args ...any) {
	s.t.Helper()
	frame := fmt.Sprintf(format, args...)
	if s.Seen != nil {
		s.Seen(true, frame)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.ws.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		s.t.Fatal(err)
	}
}

// Until reads frames until one is as wanted, and returns that.
func (s *Socket) Until(wanted func(Frame) bool) Frame {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, b, err := s.ws.Read(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		f := Frame{Raw: string(b)}
		if err := json.Unmarshal(b, &f); err != nil {
			s.t.Fatalf("%s: %v", b, err)
		}
		if s.Seen != nil {
			s.Seen(false, f.Raw)
		}
		if f.Type == "error" && !wanted(f) {
			s.t.Fatalf("refused: %s", f.Raw)
		}
		if wanted(f) {
			return f
		}
	}
}

// Type reads frames until one is of a type.
func (s *Socket) Type(frameType string) Frame {
	s.t.Helper()
	return s.Until(func(f Frame) bool { return f.Type == frameType })
}

// Closed reads until the server closes, and returns with what.
func (s *Socket) Closed() (code int, reason string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, b, err := s.ws.Read(ctx)
		var end websocket.CloseError
		switch {
		case errors.As(err, &end):
			return int(end.Code), end.Reason
		case err != nil:
			s.t.Fatal(err)
		case s.Seen != nil:
			s.Seen(false, string(b))
		}
	}
}

// Answer is what a request got.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Decode reads the body into v.
func (k *Talker) Decode(a Answer, v any) {
	k.T.Helper()
	if err := json.Unmarshal([]byte(a.Body), v); err != nil || a.Status >= 300 {
		k.T.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
}

// Do makes a request. user may be "": then it carries no token. Redirects are not
// followed.
func (k *Talker) Do(method, url string, user chat.User, body string) Answer {
	k.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		k.T.Fatal(err)
	}
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+k.token(user))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		k.T.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		k.T.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, string(b)}
}
