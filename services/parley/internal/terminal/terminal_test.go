package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/talk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = time.Minute

func cluster(t *testing.T) *allinone.Cluster {
	t.Helper()
	c, err := allinone.Start(t.Context(), allinone.Options{Gateways: 2, Data: t.TempDir(), DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// output is a writer that can be waited for.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// until waits until the output matches.
func (o *output) until(t *testing.T, pattern string) {
	t.Helper()
	re, late := regexp.MustCompile(pattern), time.After(patience)
	for !re.MatchString(o.String()) {
		select {
		case <-o.changed:
		case <-late:
			t.Fatalf("%q did not come:\n%s", pattern, o)
		}
	}
}

// person is somebody at a terminal, in the test's hands.
type person struct {
	t        *testing.T
	in       *io.PipeWriter
	out, err *output
	ended    chan error
}

func options(t *testing.T, c *allinone.Cluster, me, to chat.User) Options {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	o := Options{Me: me, To: to}
	if to != "" {
		o.Conv = chat.DirectID(chat.DefaultNS, me, to)
	}
	o.Client = client.Options{URLs: c.URLs, Device: "d", HTTPClient: web, Token: func(context.Context) (string, error) { return c.Token(me) }}
	return o
}

func sit(t *testing.T, run func(context.Context, Options) error, o Options) *person {
	t.Helper()
	r, w := io.Pipe()
	p := &person{t: t, in: w, out: newOutput(), err: newOutput(), ended: make(chan error, 1)}
	o.In, o.Out, o.Err = r, p.out, p.err
	go func() { p.ended <- run(t.Context(), o) }()
	t.Cleanup(func() { w.Close() })
	return p
}

func (p *person) types(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// leaves ends the input and expects the client to end so, too.
func (p *person) leaves() error {
	p.t.Helper()
	p.in.Close()
	return p.end()
}

func (p *person) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s\n%s", p.out, p.err)
		return nil
	}
}

// hasRead waits until the server knows how far a user has read: nothing says so to
// whoever leaves right after, and what was not told then is told no more.
func hasRead(t *testing.T, c *allinone.Cluster, user chat.User, conv chat.ConvID, seq chat.Seq) {
	t.Helper()
	k := talk.Talker{T: t, Token: c.Token}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; <-tick.C {
		var unread struct {
			Read chat.Seq `json:"read"`
		}
		k.Decode(k.Do("GET", c.URLs[0]+"/v1/conversations/"+string(conv)+"/unread", user, ""), &unread)
		if unread.Read >= seq {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%s has read up to %d", user, unread.Read)
		}
	}
}

func interactive(o Options) Options { o.Interactive = true; return o }

func TestTwoPeopleTalk(t *testing.T) {
	c := cluster(t)
	alice := sit(t, Chat, interactive(options(t, c, "alice", "bob")))
	alice.out.until(t, "connecting to ws://(?s:.*)syncing(?s:.*)live, as alice(?s:.*)beginning of your conversation with bob")
	alice.types("hello bob")
	alice.out.until(t, `alice:\S* hello bob\n(?s:.*)✓ stored #1`)

	bob := sit(t, Chat, interactive(options(t, c, "bob", "alice")))
	bob.out.until(t, `alice:\S* hello bob`)
	alice.out.until(t, `✓✓ (delivered to|read by) bob up to #1`)
	alice.out.until(t, `✓✓ read by bob up to #1`) // it was on his screen
	bob.types("//slash \x1b[31mred")
	alice.out.until(t, `bob:\S* /slash .\[31mred`)
	if strings.Contains(alice.out.String(), "\x1b[31m") {
		t.Error("bob steers alice's terminal")
	}
	bob.types("/help")
	bob.out.until(t, "/quit  ends")
	bob.types("/quit")
	if err := bob.end(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(alice.out.String(), "hello bob"); n != 1 {
		t.Errorf("hello bob is there %d times:\n%s", n, alice.out)
	}
	if err := alice.leaves(); err != nil {
		t.Error(err)
	}
}

func TestHistoryAtTheStart(t *testing.T) {
	c := cluster(t)
	var all strings.Builder
	for i := range 30 {
		fmt.Fprintf(&all, "line %02d\n", i+1)
	}
	o := options(t, c, "alice", "bob")
	o.In, o.Out, o.Err = strings.NewReader(all.String()), io.Discard, io.Discard
	if err := Chat(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	// alice's terminal has never seen them: a new device, which starts where she has read to.
	alice := sit(t, Chat, interactive(func() Options { o := options(t, c, "alice", "bob"); o.Client.Device = "e"; return o }()))
	alice.out.until(t, `line 30`)
	hasRead(t, c, "alice", o.Conv, 30)
	if err := alice.leaves(); err != nil {
		t.Error(err)
	}
	// A third one: everything was read, so only history has it, the last 20.
	alice = sit(t, Chat, interactive(func() Options { o := options(t, c, "alice", "bob"); o.Client.Device = "f"; return o }()))
	alice.out.until(t, `… 10 earlier entries(?s:.*)line 11(?s:.*)line 30`)
	if strings.Contains(alice.out.String(), "line 10") {
		t.Error("more than the last 20")
	}
	if err := alice.leaves(); err != nil {
		t.Error(err)
	}
}

// More lines than the outbox holds: all are stored, in order.
func TestPipe(t *testing.T) {
	c := cluster(t)
	const n = 300
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "%d\n\n", i+1)
	}
	o := options(t, c, "alice", "bob")
	o.Client.Outbox = 50
	var out bytes.Buffer
	o.In, o.Out, o.Err = strings.NewReader(all.String()), &out, io.Discard
	if err := Chat(t.Context(), o); err != nil || out.Len() != 0 {
		t.Fatal(err, out.String())
	}
	bob := sit(t, JSON, options(t, c, "bob", ""))
	bob.out.until(t, `"type":"synced"`)
	at := 0
	for i := range n {
		k := strings.Index(bob.out.String()[at:], fmt.Sprintf(`"seq":%d,"id"`, i+1))
		if k < 0 || !strings.Contains(bob.out.String()[at+k:], fmt.Sprintf(`{"text":"%d"}`, i+1)) {
			t.Fatalf("line %d is not in its place", i+1)
		}
		at += k
	}
	if err := bob.leaves(); err != nil {
		t.Error(err)
	}
}

func TestPipeFails(t *testing.T) {
	c := cluster(t)
	o := options(t, c, "alice", "")
	o.Conv = "g_nobodyknowsthisgroup1234"
	var errs bytes.Buffer
	o.In, o.Out, o.Err = strings.NewReader("one\ntwo\n"), io.Discard, &errs
	err := Chat(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "2 messages") || strings.Count(errs.String(), "not_found") != 2 {
		t.Error(err, errs.String())
	}
	// A server that cannot be reached, in the time that there is.
	o = options(t, c, "alice", "bob")
	o.Client.URLs, o.Answers = []string{"http://127.0.0.1:1"}, time.Nanosecond
	o.In, o.Out, o.Err = strings.NewReader("one\n"), io.Discard, &errs
	if err := Chat(t.Context(), o); err == nil || !strings.Contains(err.Error(), "1 messages") {
		t.Error(err)
	}
}

func TestSecondTerminalReplacesTheFirst(t *testing.T) {
	c := cluster(t)
	first := sit(t, Chat, interactive(options(t, c, "alice", "bob")))
	first.out.until(t, "live, as alice")
	second := sit(t, Chat, interactive(options(t, c, "alice", "bob")))
	if err := first.end(); err == nil || !strings.Contains(err.Error(), "--device") {
		t.Error(err)
	}
	second.out.until(t, "live, as alice")
	if err := second.leaves(); err != nil {
		t.Error(err)
	}
}

func TestScript(t *testing.T) {
	c := cluster(t)
	follow := options(t, c, "bob", "")
	follow.Follow = true
	ctx, cancel := context.WithCancel(t.Context())
	bob := sit(t, func(_ context.Context, o Options) error { return JSON(ctx, o) }, follow)
	bob.out.until(t, `"type":"synced"`)
	bob.in.Close() // stays all the same

	alice := sit(t, JSON, options(t, c, "alice", "bob"))
	alice.types(`plain text`)
	alice.types(`{"type":"send","ref":"r1","to":"bob","cmid":"my-cmid","body":{"text":"as a frame"}}`)
	alice.types(`{"type":"ping","ref":"p1"}`)
	alice.out.until(t, `"type":"ack","ref":"r1"`)
	alice.types(`{"type":"history","conv":"` + string(chat.DirectID(chat.DefaultNS, "alice", "bob")) + `","after":0}`)
	bob.out.until(t, `"plain text"(?s:.*)"cmid":"my-cmid"`)
	if err := alice.leaves(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"type":"welcome"`, `"type":"pong","ref":"p1"`, `"type":"page"`} {
		if !strings.Contains(alice.out.String(), want) {
			t.Errorf("no %s in\n%s", want, alice.out)
		}
	}
	for line := range strings.Lines(alice.out.String()) {
		if !strings.HasPrefix(line, `{"type":"`) {
			t.Errorf("no frame: %q", line)
		}
	}
	cancel()
	if err := bob.end(); err != nil {
		t.Error(err)
	}
}

func TestScriptFails(t *testing.T) {
	c := cluster(t)
	for _, line := range []string{"text to nobody", "{", `{"type":"nope"}`, `{"type":"hello"}`, `{"type":"send","to":"bob","body":{"text":"no cmid"}}`,
		`{"type":"send","conv":"g_nobodyknowsthisgroup1234","cmid":"x","body":{"text":"x"}}`} {
		p := sit(t, JSON, options(t, c, "alice", ""))
		p.types(line)
		if err := p.leaves(); err == nil || !strings.Contains(p.err.String(), "not sent") {
			t.Errorf("%s: %v, %s", line, err, p.err)
		}
	}
}

// readErr fails after what it has.
type readErr struct{}

func (readErr) Read([]byte) (int, error) { return 0, errors.New("the disk burns") }

func TestInputFails(t *testing.T) {
	c := cluster(t)
	o := options(t, c, "alice", "bob")
	o.In, o.Out, o.Err = readErr{}, io.Discard, io.Discard
	if err := Chat(t.Context(), o); err == nil || !strings.Contains(err.Error(), "burns") {
		t.Error(err)
	}
	if err := JSON(t.Context(), o); err == nil || !strings.Contains(err.Error(), "burns") {
		t.Error(err)
	}
}
