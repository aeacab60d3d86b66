package natstest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

// inbox gives what a bus hears at some addresses, once the server has them.
func inbox(t *testing.T, b *bus.Bus, addresses ...bus.Address) (listen func(bus.Address, bool), heard <-chan string) {
	t.Helper()
	ch := make(chan string, 1000)
	listen, unsubscribe, err := b.SubscribeTo(func(data []byte) { ch <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unsubscribe)
	for _, a := range addresses {
		listen(a, true)
	}
	flush(t, b)
	return listen, ch
}

func publishTo(t *testing.T, b *bus.Bus, a bus.Address, text string) {
	t.Helper()
	if err := b.PublishTo(a, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestInboxHearsItsAddressesOnly(t *testing.T) {
	s := natstest.Start(t)
	a, b, c := connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL})
	listen, atB := inbox(t, b, 1, 0xffffffff)
	_, atC := inbox(t, c, 2)
	_, atA := inbox(t, a, 1) // what a says itself is not for a

	say := func(addresses ...bus.Address) {
		t.Helper()
		for _, to := range addresses {
			publishTo(t, a, to, fmt.Sprint(uint32(to)))
		}
	}
	say(1, 2, 3, 0xffffffff, 1)
	for _, text := range []string{"1", "4294967295", "1"} {
		want(t, atB, text)
	}
	want(t, atC, "2")

	listen(1, true) // twice now
	listen(1, false)
	listen(7, true)
	listen(7, false)
	listen(8, false) // was never there
	listen(8, true)
	flush(t, b)
	say(1, 7, 8)
	want(t, atB, "1")
	want(t, atB, "8")
	listen(1, false)
	flush(t, b)
	say(1, 8)
	want(t, atB, "8")
	nothing(t, atA)
	nothing(t, atC)
}

func TestInboxIsBackAfterNATSWasAway(t *testing.T) {
	s := natstest.Start(t)
	o, ao := bus.Options{URL: s.URL}, bus.Options{URL: s.URL}
	changes, achanges := states(&o), states(&ao)
	a, b := connect(t, ao), connect(t, o)
	all := make([]bus.Address, 1000)
	for i := range all {
		all[i] = bus.Address(i)
	}
	listen, heard := inbox(t, b, all...)
	s.Stop()
	want(t, changes, bus.StateDisconnected)
	listen(5, false) // while NATS is away
	listen(5000, true)
	s.Restart()
	want(t, changes, bus.StateConnected)
	flush(t, b)
	want(t, achanges, bus.StateDisconnected)
	want(t, achanges, bus.StateConnected)
	for _, to := range []bus.Address{0, 5, 999, 5000} {
		publishTo(t, a, to, fmt.Sprint(uint32(to)))
	}
	for _, text := range []string{"0", "999", "5000"} {
		want(t, heard, text)
	}
}

func TestSlowInboxTellsOfItsLoss(t *testing.T) {
	s := natstest.Start(t)
	lost := make(chan bus.Topic, 100)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL, OnLoss: func(topic bus.Topic) { lost <- topic }})
	stuck, heard := make(chan struct{}), make(chan string, 10_000)
	listen, unsubscribe, err := b.SubscribeTo(func(data []byte) { <-stuck; heard <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer unsubscribe()
	listen(1, true)
	flush(t, b)
	for range 5000 {
		publishTo(t, a, 1, "one of many")
	}
	want(t, lost, bus.TopicUsers)
	close(stuck)
	for range 4096 {
		want(t, heard, "one of many")
	}
	if b.Stats().Lost == 0 {
		t.Error("nothing was counted")
	}
}

func TestInboxEnds(t *testing.T) {
	s := natstest.Start(t)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL})
	heard := make(chan string, 10)
	listen, unsubscribe, err := b.SubscribeTo(func(data []byte) { heard <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	listen(1, true)
	flush(t, b)
	unsubscribe()
	unsubscribe()
	flush(t, b)
	listen(2, true)
	publishTo(t, a, 1, "late")
	publishTo(t, a, 2, "late")
	flush(t, a)
	flush(t, b)
	nothing(t, heard)
	if err := a.PublishTo(1, make([]byte, bus.MaxData+1)); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := b.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.SubscribeTo(func([]byte) {}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := b.PublishTo(1, nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
