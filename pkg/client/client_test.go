package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestHelloAndStates(t *testing.T) {
	opt := Options{Device: "phone", Info: wire.ClientInfo{Name: "x"}, Now: func() time.Time { return time.UnixMilli(7) }}
	play(t, opt, func(t *testing.T, b *bench) {
		p, h := b.accept()
		if h.Device != "phone" || *h.Attempt != 7 || h.Resume != nil || h.Client.Name != "x" || h.Token != "" {
			t.Errorf("hello %+v", h)
		}
		b.state(Connecting)
		p.welcome("e1")
		b.state(Syncing)
		p.write(&wire.Synced{Type: "synced"})
		b.state(Live)
		p.entries(conv, 1, 2)
		p.cut()
		_, h = b.accept()
		// The clock stands still, the attempt does not.
		if *h.Attempt != 8 || h.Resume.Epoch != "e1" || h.Resume.Cursors[conv] != 2 {
			t.Errorf("second hello %+v %+v", h, h.Resume)
		}
		if b.tokens[0] != "Bearer token1" || b.tokens[1] != "Bearer token1" {
			t.Errorf("tokens %v", b.tokens)
		}
	})
}

func TestSendAndAck(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		s := b.send(conv, "early") // before there is a connection
		p, _ := b.live()
		f := read[*wire.Send](p)
		if f.CMID != s.CMID || string(f.Body) != `{"text":"early"}` || len(s.CMID) != 16 || !s.CMID.Valid() {
			t.Errorf("send %+v", f)
		}
		p.ack(f, conv, 1)
		ack, err := s.Wait(t.Context())
		if err != nil || ack.Seq != 1 {
			t.Error(ack, err)
		}
		if o := await[Outcome](b); o.CMID != s.CMID || o.Ack.Seq != 1 || o.Err != nil {
			t.Errorf("outcome %+v", o)
		}
		s = b.send(conv, "wrong")
		p.refuse(read[*wire.Send](p), chat.CodeForbidden, 0)
		var ce *chat.Error
		if _, err = s.Wait(t.Context()); !errors.As(err, &ce) || ce.Code != chat.CodeForbidden {
			t.Error(err)
		}
		if o := await[Outcome](b); o.Err == nil {
			t.Errorf("outcome %+v", o)
		}
		if b.c.Pending() != 0 {
			t.Error("something is pending")
		}
	})
}

func TestLostAckIsRepeatedUnchanged(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		one, two := b.send(conv, "one"), b.send(conv, "two")
		f1 := read[*wire.Send](p)
		read[*wire.Send](p)
		p.cut() // both stored, no ack came
		p, _ = b.live()
		again := read[*wire.Send](p)
		if again.CMID != f1.CMID || string(again.Body) != string(f1.Body) || again.Ref != f1.Ref {
			t.Errorf("repeated %+v, was %+v", again, f1)
		}
		p.ack(again, conv, 1)
		f2 := read[*wire.Send](p)
		if f2.CMID != two.CMID {
			t.Error("order lost")
		}
		p.ack(f2, conv, 2)
		one.Wait(t.Context())
		if a, err := two.Wait(t.Context()); err != nil || a.Seq != 2 {
			t.Error(a, err)
		}
		if st := b.c.Stats(); st.Retries != 2 || st.Acks != 2 || st.Connects != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestOwnEntryCountsAsAck(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		s := b.send(conv, "x")
		f := read[*wire.Send](p)
		e := entry(conv, 1)
		e.CMID = f.CMID
		p.write(e) // bob's entry with the same cmid is another one
		e.Seq, e.From = 2, "me"
		p.write(e)
		a, err := s.Wait(t.Context())
		if err != nil || a.Seq != 2 {
			t.Error(a, err)
		}
		p.ack(f, conv, 2) // comes late, changes nothing
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{1, 2}) {
			t.Error(got)
		}
	})
}

func TestRetryAfterHoldsConversationInOrder(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		b.send(conv, "a")
		b.send(conv, "b")
		a, bb := read[*wire.Send](p), read[*wire.Send](p)
		p.refuse(a, chat.CodeUnavailable, 3*time.Second)
		p.refuse(bb, chat.CodeUnavailable, 3*time.Second)
		start := time.Now()
		b.send(conv2, "other") // is not held up
		o := read[*wire.Send](p)
		if o.Conv != conv2 || time.Since(start) != 0 {
			t.Errorf("%+v after %v", o, time.Since(start))
		}
		p.ack(o, conv2, 1)
		b.send(conv, "c")
		for _, want := range []string{"a", "b", "c"} {
			f := read[*wire.Send](p)
			if !strings.Contains(string(f.Body), `"`+want+`"`) {
				t.Errorf("got %s, want %s", f.Body, want)
			}
			if time.Since(start) != 3*time.Second {
				t.Errorf("%s after %v", want, time.Since(start))
			}
		}
	})
}

func TestInternalWithoutTimeBacksOff(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		b.send(conv, "a")
		var waits []time.Duration
		for range 4 {
			p.refuse(read[*wire.Send](p), chat.CodeInternal, 0)
			start := time.Now()
			f := read[*wire.Send](p)
			waits = append(waits, time.Since(start))
			p.refuse(f, chat.CodeRateLimited, time.Millisecond)
		}
		if waits[0] != 100*time.Millisecond || waits[3] <= waits[1] {
			t.Error(waits)
		}
	})
}

func TestSilenceRepeats(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		b.send(conv, "a")
		b.send(conv, "b")
		first := read[*wire.Send](p)
		p.ack(read[*wire.Send](p), conv, 2)
		start := time.Now()
		again := read[*wire.Send](p)
		if again.CMID != first.CMID || time.Since(start) != 10*time.Second {
			t.Errorf("%+v after %v", again, time.Since(start))
		}
	})
}

func TestSendToAndConvShareALane(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		if _, err := b.c.SendTo("bob", Message{Text: "1"}); err != nil {
			t.Fatal(err)
		}
		f := read[*wire.Send](p)
		if f.To != "bob" || f.Conv != "" {
			t.Errorf("%+v", f)
		}
		p.ack(f, dconv, 1)
		await[Outcome](b)
		b.send(dconv, "2")
		b.c.SendTo("bob", Message{Text: "3"})
		b.send(dconv, "4")
		all := []*wire.Send{read[*wire.Send](p), read[*wire.Send](p), read[*wire.Send](p)}
		for _, f := range all {
			p.refuse(f, chat.CodeUnavailable, time.Second)
		}
		for _, want := range []string{"2", "3", "4"} {
			if f := read[*wire.Send](p); !strings.Contains(string(f.Body), want) {
				t.Errorf("%s, want %s", f.Body, want)
			}
		}
	})
}

// The two lanes of a direct conversation are found to be one while both are used.
func TestLanesMerge(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		b.send(dconv, "1")
		b.c.SendTo("bob", Message{Text: "2"})
		b.send(dconv, "3")
		p, _ := b.accept()
		p.welcome("e1")
		for range 3 {
			read[*wire.Send](p)
		}
		p.write(&wire.Conversation{Type: "conversation", Conv: dconv, Kind: chat.Direct, Peer: "bob"})
		for i, want := range []string{"1", "2", "3"} {
			f := read[*wire.Send](p)
			if !strings.Contains(string(f.Body), want) {
				t.Errorf("%s, want %s", f.Body, want)
			}
			p.ack(f, dconv, chat.Seq(i+1))
		}
		synctest.Wait()
		if b.c.Pending() != 0 {
			t.Error("pending")
		}
	})
}

func TestWindow(t *testing.T) {
	play(t, Options{Outbox: 3}, func(t *testing.T, b *bench) {
		p, _ := b.accept()
		w := &wire.Welcome{Type: "welcome", User: "me", Epoch: "e1", Limits: chat.Limits{Pending: 2, Frame: 400}}
		p.write(w)
		synctest.Wait()
		var ce *chat.Error
		if _, err := b.c.SendConv(conv, Message{Text: strings.Repeat("x", 500)}); !errors.As(err, &ce) || ce.Code != chat.CodeTooLarge {
			t.Error(err)
		}
		for range 3 {
			b.send(conv, "x")
		}
		if _, err := b.c.SendConv(conv, Message{Text: "x"}); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		f := read[*wire.Send](p)
		read[*wire.Send](p)
		synctest.Wait() // the third stays back: no more than Pending are under way
		b.c.mu.Lock()
		flying := b.c.outbox.flying
		b.c.mu.Unlock()
		if flying != 2 {
			t.Error(flying)
		}
		p.ack(f, conv, 1)
		read[*wire.Send](p)
	})
}

func TestCloseFailsWhatWaits(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		s := b.send(conv, "x")
		p, _ := b.live()
		read[*wire.Send](p)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			b.c.Close()
		}()
		if code := p.gone(); code != 1000 {
			t.Errorf("closed with %d", code)
		}
		<-closed
		if _, err := s.Wait(t.Context()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := b.c.SendConv(conv, Message{Text: "x"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := b.c.History(t.Context(), conv, Span{}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if !errors.Is(b.c.Err(), ErrClosed) || b.c.State().Phase != Stopped {
			t.Error(b.c.Err(), b.c.State())
		}
	})
}

// A handler that does not keep up stops the reading, not the events.
func TestFullEventsStopReading(t *testing.T) {
	play(t, Options{Events: 2}, func(t *testing.T, b *bench) {
		go await[State](b) // connecting
		p, _ := b.live()
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			for i := range 50 {
				p.write(entry(conv, chat.Seq(i+1)))
			}
		}()
		time.Sleep(2 * time.Minute) // in the bubble; longer than any heartbeat
		select {
		case <-wrote:
			t.Error("the socket was read on")
		default:
		}
		for want := range 50 {
			if e := await[Entry](b); e.Seq != chat.Seq(want+1) {
				t.Fatal(e.Seq)
			}
		}
		<-wrote
		if b.c.Stats().Connects != 1 {
			t.Error("reconnected")
		}
	})
}

func TestHistoryAndRequest(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		played := make(chan struct{})
		go func() {
			defer close(played)
			h := read[*wire.History](p)
			p.write(wire.NewError(h.Ref, chat.Unavailable("later")))
			read[*wire.History](p)
			p.cut() // asked again on the next connection
			p, _ := b.live()
			h = read[*wire.History](p)
			p.write(&wire.Page[wire.Entry]{Type: "page", Ref: h.Ref, Conv: h.Conv, Items: []wire.Entry{*entry(conv, 3)}, Head: 3})
			h = read[*wire.History](p)
			p.write(wire.NewError(h.Ref, chat.Errorf(chat.CodeNotFound, "none")))
			r := read[*wire.Recv](p)
			p.write(wire.NewError(r.Ref, chat.Unavailable("x")))
			ping := read[*wire.Ping](p)
			p.write(&wire.Pong{Type: "pong", Ref: ping.Ref})
			read[*wire.Typing](p)
		}()
		before := chat.MaxSeq
		page, err := b.c.History(t.Context(), conv, Span{Before: &before, Limit: 20})
		if err != nil || len(page.Items) != 1 || page.Items[0].Seq != 3 {
			t.Fatal(page, err)
		}
		var ce *chat.Error
		if _, err = b.c.History(t.Context(), conv2, Span{Before: &before}); !errors.As(err, &ce) || ce.Code != chat.CodeNotFound {
			t.Error(err)
		}
		seq := chat.Seq(1)
		answer, err := b.c.Request(t.Context(), &wire.Recv{Conv: conv, Seq: &seq})
		if e, ok := answer.(*wire.Error); !ok || e.Code != chat.CodeUnavailable {
			t.Error(answer, err)
		}
		if err := b.c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		on := true
		if err := b.c.Post(t.Context(), &wire.Typing{Conv: conv, On: &on}); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.c.History(ctx, conv, Span{Before: &before}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if len(b.c.calls.order) != 0 {
			t.Error("a call is left")
		}
		<-played
	})
}
