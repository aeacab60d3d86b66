package natstest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for; nothing waits for it to pass.
const patience = time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, o bus.Options) *bus.Bus {
	t.Helper()
	if o.Cluster == "" {
		o.Cluster = "test"
	}
	b, err := bus.Connect(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Drain(ctx); err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Error(err)
		}
	})
	return b
}

// listen gives what a bus hears, once the server has the subscription.
func listen(t *testing.T, b *bus.Bus, topic bus.Topic) <-chan string {
	t.Helper()
	heard := make(chan string, 1000)
	if _, err := b.Subscribe(topic, func(data []byte) { heard <- string(data) }); err != nil {
		t.Fatal(err)
	}
	flush(t, b)
	return heard
}

func flush(t *testing.T, b *bus.Bus) {
	t.Helper()
	if err := b.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, b *bus.Bus, topic bus.Topic, text string) {
	t.Helper()
	if err := b.Publish(topic, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func want[T comparable](t *testing.T, ch <-chan T, v T) {
	t.Helper()
	if got := next(t, ch); got != v {
		t.Fatalf("got %v, want %v", got, v)
	}
}

func nothing[T any](t *testing.T, ch <-chan T) {
	t.Helper()
	select {
	case v := <-ch:
		t.Fatalf("got %v, want nothing", v)
	default:
	}
}

// states gives the changes of a bus.
func states(o *bus.Options) <-chan bus.State {
	ch := make(chan bus.State, 100)
	o.OnState = func(s bus.State) { ch <- s }
	return ch
}

// lines is a log that may be written and read at the same time.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// notify tells of every line.
type notify struct {
	slog.Handler
	ch chan<- string
}

func (n notify) Handle(ctx context.Context, r slog.Record) error {
	n.ch <- r.Message
	return n.Handler.Handle(ctx, r)
}

// after does something at every line, of what level ever.
type after struct {
	slog.Handler
	what func()
}

func (after) Enabled(context.Context, slog.Level) bool { return true }

func (a after) Handle(ctx context.Context, r slog.Record) error {
	err := a.Handler.Handle(ctx, r)
	a.what()
	return err
}
