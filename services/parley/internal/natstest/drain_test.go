package natstest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

func TestDrainDeliversWhatIsInAndWritesWhatIsOut(t *testing.T) {
	s := natstest.Start(t)
	o := bus.Options{URL: s.URL}
	changes := states(&o)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, o)
	answers := listen(t, a, bus.TopicSignals)
	began, leave := make(chan struct{}, 100), make(chan struct{})
	if _, err := b.Subscribe(bus.TopicEntries, func(d []byte) {
		began <- struct{}{}
		<-leave
		if err := b.Publish(bus.TopicSignals, d); err != nil {
			t.Errorf("publish while draining: %v", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	sentinel := listen(t, b, bus.TopicControl)
	for i := range 50 {
		publish(t, a, bus.TopicEntries, fmt.Sprint(i))
	}
	publish(t, a, bus.TopicControl, "all are in")
	want(t, sentinel, "all are in")
	next(t, began)

	drained := make(chan error, 1)
	go func() { drained <- b.Drain(within(t)) }()
	close(leave)
	if err := next(t, drained); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		want(t, answers, fmt.Sprint(i))
	}
	want(t, changes, bus.StateClosed)
	nothing(t, changes)

	if err := b.Publish(bus.TopicEntries, nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("publish after drain: %v", err)
	}
	if err := b.Flush(within(t)); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("flush after drain: %v", err)
	}
	if _, err := b.Subscribe(bus.TopicEntries, func([]byte) {}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("subscribe after drain: %v", err)
	}
	if err := b.Drain(within(t)); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("second drain: %v", err)
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	s := natstest.Start(t)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL})
	began, leave := make(chan struct{}, 1), make(chan struct{})
	if _, err := b.Subscribe(bus.TopicEntries, func([]byte) { began <- struct{}{}; <-leave }); err != nil {
		t.Fatal(err)
	}
	flush(t, b)
	publish(t, a, bus.TopicEntries, "stuck")
	next(t, began)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain: %v", err)
	}
	close(leave)
}

func TestDrainWithoutAConnection(t *testing.T) {
	s := natstest.Start(t)
	o := bus.Options{URL: s.URL}
	changes := states(&o)
	b := connect(t, o)
	listen(t, b, bus.TopicEntries)
	s.Stop()
	want(t, changes, bus.StateDisconnected)
	if err := b.Drain(within(t)); err != nil {
		t.Errorf("drain: %v", err)
	}
	want(t, changes, bus.StateClosed)
}

// The bus may be closed while it is looking for a server after an error that
// nats.go gave up on.
func TestDrainWhileConnectingAnew(t *testing.T) {
	s := natstest.Start(t)
	p := startProxy(t, s.URL)
	o := bus.Options{URL: p.url}
	changes := states(&o)
	b := connect(t, o)
	listen(t, b, bus.TopicEntries)
	p.l.Close() // nobody gets in any more
	p.say(t, "-ERR 'Out Of Cheese'")
	want(t, changes, bus.StateDisconnected)
	if err := b.Drain(within(t)); err != nil {
		t.Errorf("drain: %v", err)
	}
}

// A server that dies while the bus is being drained, or a moment before, does not
// hold it up.
func TestDrainWhileTheServerDies(t *testing.T) {
	for range 20 {
		s := natstest.Start(t)
		b := connect(t, bus.Options{URL: s.URL})
		listen(t, b, bus.TopicEntries)
		drained := make(chan error, 1)
		go func() { drained <- b.Drain(within(t)) }()
		s.Stop()
		if err := next(t, drained); err != nil {
			t.Fatal(err)
		}
	}
}
