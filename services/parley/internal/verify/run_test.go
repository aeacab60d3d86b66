package verify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

func cluster(t *testing.T) *allinone.Cluster {
	t.Helper()
	c, err := allinone.Start(t.Context(), allinone.Options{Gateways: 3, Data: t.TempDir(), DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

func options(c *allinone.Cluster) Options {
	return Options{
		URLs: c.URLs, API: c.URLs[0], Token: func(_ context.Context, u chat.User) (string, error) { return c.Token(u) },
		Users: 5, Devices: 2, Groups: 3, Messages: 600, Reconnects: 6, Timeout: 5 * time.Minute, Seed: 7,
	}
}

// The whole of it against a real cluster: gateways, NATS and store in this process.
func TestRun(t *testing.T) {
	c := cluster(t)
	var lines []string
	opt := options(c)
	opt.Progress = func(line string) { lines = append(lines, line) }
	opt.Changes = 0.3
	r, err := Run(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Fatalf("%s", &text)
	}
	// 600 messages and the entries that made three groups; each device got its part.
	if r.Sent != 600 || r.Acked+r.TooLate != 600 || r.TooLate > 50 || r.Stored != r.Acked+3 || r.Cut < 50 || r.Probes < 20 || r.Ack.Samples == 0 || r.Delivery.Samples == 0 {
		t.Errorf("%+v", r)
	}
	if len(r.Clients) != 11 || r.Wire.Entries < r.Stored*2 || len(lines) < 5 {
		t.Errorf("%d clients, %+v, %q", len(r.Clients), r.Wire, lines)
	}
}

// A server that is not there is an error, and no verdict about it.
func TestRunWithoutServer(t *testing.T) {
	c := cluster(t)
	opt := options(c)
	const gone = "http://127.0.0.1:1" // of no program of ours, nor of another test's
	opt.URLs, opt.Timeout = []string{gone}, time.Second
	if r, err := Run(t.Context(), opt); err == nil || r != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(r, err)
	}
	opt.API = gone
	if _, err := Run(t.Context(), opt); err == nil {
		t.Error("no error")
	}
	opt.Token = func(context.Context, chat.User) (string, error) { return "", errors.New("no tokens today") }
	if _, err := Run(t.Context(), opt); err == nil || !strings.Contains(err.Error(), "no tokens today") {
		t.Error(err)
	}
}

// A run that has no time to finish says what is missing.
func TestRunOutOfTime(t *testing.T) {
	c := cluster(t)
	opt := options(c)
	opt.Users, opt.Devices, opt.Groups, opt.Changes = 2, 1, -1, -1
	opt.Rate, opt.Messages, opt.Reconnects = 0.001, 100, -1 // each sends one, and the next much later
	var over context.CancelFunc
	opt.over, over = context.WithCancel(t.Context())
	defer over()
	opt.Progress = func(line string) { // the time is over when both have both
		if strings.Contains(line, "acked 2  entries 4 ") {
			over()
		}
	}
	r, err := Run(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || r.Unsettled == "" || len(r.Verdict.Counts) != 0 {
		t.Errorf("%+v", r)
	}
}

// A run that is cut off in the middle of sending has broken no promise: what was sent
// gets its outcome before the store is read, and whether it has arrived everywhere is
// not judged.
func TestRunCutOff(t *testing.T) {
	c := cluster(t)
	opt := options(c)
	opt.Messages, opt.Changes = 1_000_000, 0.3 // more than any machine sends until then
	var over context.CancelFunc
	opt.over, over = context.WithCancel(t.Context())
	defer over()
	opt.Progress = func(line string) {
		if strings.Contains(line, " acked ") {
			over()
		}
	}
	r, err := Run(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || !strings.Contains(r.Unsettled, " could be sent") || !strings.Contains(r.Verdict.Unjudged["I6"], r.Unsettled) || len(r.Verdict.Counts) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Sent == 0 || r.Acked+r.TooLate != r.Sent {
		t.Errorf("sent %d, acked %d, changed too late %d", r.Sent, r.Acked, r.TooLate)
	}
}

func TestOptions(t *testing.T) {
	token := func(context.Context, chat.User) (string, error) { return "", nil }
	base := Options{URLs: []string{"http://a"}, API: "http://a", Token: token}
	o, err := base.withDefaults()
	if err != nil || o.Users != 10 || o.Messages != 10_000 || o.Reconnects != 5 || o.Devices != 1 || o.Groups != 2 || o.Seed == 0 {
		t.Errorf("%+v %v", o, err)
	}
	for name, spoil := range map[string]func(*Options){
		"no URL": func(o *Options) { o.URLs = nil }, "no API": func(o *Options) { o.API = "" }, "no token": func(o *Options) { o.Token = nil },
		"one user": func(o *Options) { o.Users = 1 }, "no device": func(o *Options) { o.Devices = -1 }, "rate": func(o *Options) { o.Rate = -1 },
	} {
		o := base
		spoil(&o)
		if _, err := o.withDefaults(); err == nil {
			t.Error(name)
		}
	}
	base.Groups, base.Reconnects = -1, -1
	if o, _ := base.withDefaults(); o.Groups != 0 || o.Reconnects != 0 {
		t.Errorf("%+v", o)
	}
}
