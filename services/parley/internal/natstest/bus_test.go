package natstest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

func TestMessagesGoToTheOthersInOrder(t *testing.T) {
	s := natstest.Start(t)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL})
	other := connect(t, bus.Options{URL: s.URL, Cluster: "other"})
	atA, atB, atOther := listen(t, a, bus.TopicEntries), listen(t, b, bus.TopicEntries), listen(t, other, bus.TopicEntries)
	signals := listen(t, b, bus.TopicSignals)

	buf := make([]byte, 0, 16)
	for i := range 500 {
		buf = fmt.Appendf(buf[:0], "m%d", i) // Publish has copied it
		if err := a.Publish(bus.TopicEntries, buf); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, a, bus.TopicEntries, "")
	for i := range 500 {
		want(t, atB, fmt.Sprintf("m%d", i))
	}
	want(t, atB, "")
	// What b says last comes last: whatever came to a or other is there now.
	publish(t, b, bus.TopicEntries, "end")
	want(t, atA, "end")
	flush(t, other)
	nothing(t, atOther)
	nothing(t, signals)
	flush(t, a) // only then all are counted
	if st := a.Stats(); st.Published != 501 || st.Received != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestPublishRefuses(t *testing.T) {
	s := natstest.Start(t)
	b := connect(t, bus.Options{URL: s.URL})
	if err := b.Publish(bus.TopicEntries, make([]byte, bus.MaxData+1)); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := b.Publish(bus.TopicEntries, make([]byte, bus.MaxData)); err != nil {
		t.Errorf("as large as may be: %v", err)
	}
	if err := b.Publish("nonsense", nil); err == nil {
		t.Error("an unknown topic was taken")
	}
	if _, err := b.Subscribe("nonsense", func([]byte) {}); err == nil {
		t.Error("an unknown topic was subscribed to")
	}
}

func TestUnsubscribe(t *testing.T) {
	s := natstest.Start(t)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, bus.Options{URL: s.URL})
	heard := make(chan string, 10)
	unsubscribe, err := b.Subscribe(bus.TopicControl, func(d []byte) { heard <- string(d) })
	if err != nil {
		t.Fatal(err)
	}
	still := listen(t, b, bus.TopicControl)
	publish(t, a, bus.TopicControl, "1")
	want(t, heard, "1")
	want(t, still, "1")
	unsubscribe()
	unsubscribe()
	publish(t, a, bus.TopicControl, "2")
	want(t, still, "2")
	flush(t, b)
	nothing(t, heard)
}

func TestConnectWaitsForTheServer(t *testing.T) {
	s := natstest.Start(t)
	s.Stop()
	var log lines
	attempts := make(chan string, 1000)
	connected := make(chan error, 1)
	go func() {
		b, err := bus.Connect(within(t), bus.Options{URL: s.URL, Cluster: "test", Logger: slog.New(notify{log.logger().Handler(), attempts})})
		if err == nil {
			err = b.Drain(within(t))
		}
		connected <- err
	}()
	next(t, attempts)
	s.Restart()
	if err := next(t, connected); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "waiting for nats: 127.0.0.1:") || !strings.Contains(log.String(), "connected to NATS") {
		t.Errorf("log: %s", log.String())
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	s := natstest.Start(t)
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Options{URL: s.URL, Cluster: "test"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// A server that takes connections and says nothing does not hold Connect up: the end of
// its context ends the dial, and not the 2 s that a dial may take, whose error is another.
func TestConnectEndsWithItsContextBeforeAMuteServer(t *testing.T) {
	s := natstest.Start(t)
	p := startProxy(t, s.URL)
	p.freeze()
	dial := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := bus.Connect(ctx, bus.Options{URL: p.url, Cluster: "test"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		return err
	}
	for end := time.Now().Add(patience); strings.Contains(dial().Error(), "i/o timeout"); { // this machine may stand still for 2 s
		if time.Now().After(end) {
			t.Fatal("it waits for the dial")
		}
	}
}

func TestServerGoneAndBack(t *testing.T) {
	s := natstest.Start(t)
	oa, ob := bus.Options{URL: s.URL}, bus.Options{URL: s.URL}
	statesA, statesB := states(&oa), states(&ob)
	a, b := connect(t, oa), connect(t, ob)
	heard := listen(t, b, bus.TopicEntries)

	s.Stop()
	want(t, statesA, bus.StateDisconnected)
	want(t, statesB, bus.StateDisconnected)
	if a.Connected() {
		t.Error("connected without a server")
	}
	if err := a.Publish(bus.TopicEntries, []byte("lost")); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("publish without a server: %v", err)
	}
	if err := a.Flush(within(t)); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("flush without a server: %v", err)
	}
	late := make(chan string, 10)
	if _, err := b.Subscribe(bus.TopicSignals, func(d []byte) { late <- string(d) }); err != nil {
		t.Errorf("subscribe without a server: %v", err)
	}

	s.Restart()
	want(t, statesA, bus.StateConnected)
	want(t, statesB, bus.StateConnected)
	publish(t, a, bus.TopicEntries, "after")
	publish(t, a, bus.TopicSignals, "late")
	want(t, heard, "after")
	want(t, late, "late")
	if st := a.Stats(); st.Refused != 1 || st.Reconnects != 1 {
		t.Errorf("stats %+v", st)
	}
}

// OnState may use the bus: who is back has much to say.
func TestOnStateMayPublishAndSubscribe(t *testing.T) {
	s := natstest.Start(t)
	self, told := make(chan *bus.Bus, 1), make(chan error, 1)
	b := connect(t, bus.Options{URL: s.URL, OnState: func(state bus.State) {
		if state != bus.StateConnected {
			return
		}
		b := <-self
		_, err := b.Subscribe(bus.TopicSignals, func([]byte) {})
		told <- errors.Join(err, b.Publish(bus.TopicControl, []byte("back")))
	}})
	self <- b
	s.Stop()
	s.Restart()
	want(t, told, nil)
}

// nats.go gives a connection up for good when the server says what it does not
// know. The bus does not.
func TestUnknownServerErrorIsNotTheEnd(t *testing.T) {
	s := natstest.Start(t)
	p := startProxy(t, s.URL)
	var log lines
	o := bus.Options{URL: p.url, Logger: log.logger()}
	changes := states(&o)
	a, b := connect(t, bus.Options{URL: s.URL}), connect(t, o)
	heard := listen(t, b, bus.TopicEntries)
	for i := range 3 {
		p.say(t, "-ERR 'Out Of Cheese'")
		want(t, changes, bus.StateDisconnected)
		want(t, changes, bus.StateConnected)
		publish(t, a, bus.TopicEntries, fmt.Sprint(i))
		want(t, heard, fmt.Sprint(i))
	}
	if !strings.Contains(log.String(), "Out Of Cheese") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestSlowFunctionIsLossOncePerEpisode(t *testing.T) {
	s := natstest.Start(t)
	losses := make(chan bus.Topic, 1000)
	a := connect(t, bus.Options{URL: s.URL})
	b := connect(t, bus.Options{URL: s.URL, PendingMessages: 10, OnLoss: func(topic bus.Topic) { losses <- topic }})
	entered, leave := make(chan string), make(chan struct{})
	if _, err := b.Subscribe(bus.TopicEntries, func(d []byte) { entered <- string(d); <-leave }); err != nil {
		t.Fatal(err)
	}
	signals := listen(t, b, bus.TopicSignals)

	for episode := range 2 {
		publish(t, a, bus.TopicEntries, "first")
		want(t, entered, "first")
		for range 10 { // 9 find room beside the one that is being taken
			publish(t, a, bus.TopicEntries, "more")
		}
		want(t, losses, bus.TopicEntries)
		for range 90 {
			publish(t, a, bus.TopicEntries, "more")
		}
		publish(t, a, bus.TopicSignals, "all is in") // same connection, same order
		want(t, signals, "all is in")
		nothing(t, losses)

		leave <- struct{}{}
		for range 9 {
			want(t, entered, "more")
			leave <- struct{}{}
		}
		want(t, losses, bus.TopicEntries) // 90 more were dropped since the first call
		if st := b.Stats(); st.Lost != uint64(91*(episode+1)) {
			t.Errorf("stats %+v", st)
		}
	}
	nothing(t, losses)
}

// What is published waits in a queue, and neither Publish, Flush nor Drain for a network
// that does not move, as a write does until it is given up after 5 s. On a machine that
// stands still for long the test begins again.
func TestPublishDoesNotWaitForTheNetwork(t *testing.T) {
	s := natstest.Start(t)
	for end := time.Now().Add(patience); !publishesIntoAFrozenNetwork(t, s); {
		if time.Now().After(end) {
			t.Fatal("all of them wait until a write is given up")
		}
	}
}

func publishesIntoAFrozenNetwork(t *testing.T, s *natstest.Server) (inTime bool) {
	p := startProxy(t, s.URL)
	o := bus.Options{URL: p.url, OutboundBytes: 2 << 20}
	changes := states(&o)
	b := connect(t, o)
	p.freeze()
	begun := time.Now()
	data := make([]byte, 64<<10)
	var err error
	for err == nil { // the kernel's buffers first, then the queue
		err = b.Publish(bus.TopicEntries, data)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	errFlush, errDrain := b.Flush(ctx), b.Drain(ctx)
	if state := next(t, changes); state != bus.StateClosed || time.Since(begun) > 4*time.Second {
		return false
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Errorf("publish: %v", err)
	}
	if !errors.Is(errFlush, context.DeadlineExceeded) {
		t.Errorf("flush: %v", errFlush)
	}
	if !errors.Is(errDrain, context.DeadlineExceeded) {
		t.Errorf("drain: %v", errDrain)
	}
	return true
}

// A write that makes no progress ends the connection, and the bus comes back.
func TestStuckWriteEndsTheConnection(t *testing.T) {
	s := natstest.Start(t)
	p := startProxy(t, s.URL)
	o := bus.Options{URL: p.url}
	changes := states(&o)
	a, b := connect(t, o), connect(t, bus.Options{URL: s.URL})
	heard := listen(t, b, bus.TopicSignals)
	p.freeze()
	data := make([]byte, 64<<10)
	for err := error(nil); err == nil; { // until it is full; on a slow machine, disconnected already
		err = a.Publish(bus.TopicEntries, data)
	}
	want(t, changes, bus.StateDisconnected)
	p.thaw()
	want(t, changes, bus.StateConnected)
	publish(t, a, bus.TopicSignals, "back")
	want(t, heard, "back")
	if st := a.Stats(); st.Dropped == 0 {
		t.Errorf("stats %+v", st)
	}
}
