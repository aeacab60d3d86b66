package client

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestDuplicateIsDropped(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		p.entries(conv, 5, 6, 6, 5, 7) // an unknown conversation begins where it begins
		p.entries(conv2, 1)
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{5, 6, 7, 1}) {
			t.Error(got)
		}
		if st := b.c.Stats(); st.Duplicates != 2 || st.Gaps != 0 || st.Entries != 4 {
			t.Errorf("%+v", st)
		}
		if b.c.Cursor(conv) != 7 {
			t.Error(b.c.Cursor(conv))
		}
	})
}

func TestGapIsFilledByHistory(t *testing.T) {
	play(t, Options{Cursors: map[chat.ConvID]chat.Seq{conv: 2}}, func(t *testing.T, b *bench) {
		p, h := b.live()
		if h.Resume != nil {
			t.Error("cursors without an epoch were sent")
		}
		p.entries(conv, 6)
		q := read[*wire.History](p)
		if q.Conv != conv || *q.After != 2 {
			t.Errorf("%+v", q)
		}
		p.entries(conv, 7, 7)
		if got := b.seqs(); len(got) != 0 {
			t.Error("handed out before the gap was filled:", got)
		}
		page := func(ref string, seqs ...chat.Seq) {
			pg := &wire.Page[wire.Entry]{Type: "page", Ref: ref, Conv: conv, Head: 7}
			for _, s := range seqs {
				pg.Items = append(pg.Items, *entry(conv, s))
			}
			p.write(pg)
		}
		page(q.Ref, 3, 4)
		q = read[*wire.History](p) // the page was not enough
		if *q.After != 4 {
			t.Errorf("%+v", q)
		}
		page(q.Ref, 5, 6)
		p.entries(conv, 8)
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{3, 4, 5, 6, 7, 8}) {
			t.Error(got)
		}
		if st := b.c.Stats(); st.Gaps != 1 || st.Duplicates != 1 || st.Filled != 4 {
			t.Errorf("%+v", st)
		}
	})
}

// A gap that history does not fill is left to the flush of a new connection.
func TestGapThatHistoryCannotFill(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		p.entries(conv, 1, 3)
		q := read[*wire.History](p)
		go p.gone()
		p.write(&wire.Page[wire.Entry]{Type: "page", Ref: q.Ref, Conv: conv, Head: 3})
		p, h := b.live()
		if h.Resume.Cursors[conv] != 1 {
			t.Error(h.Resume.Cursors)
		}
		p.entries(conv, 2, 3)
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{1, 2, 3}) {
			t.Error(got)
		}
	})
}

func TestHeldEntriesAreBounded(t *testing.T) {
	st := &stream{known: true}
	for i := range chat.Seq(3 * maxHeld) {
		st.arrive(entry(conv, i+2), 1)
	}
	if len(st.held) != maxHeld || !st.gap() || st.seen != 3*maxHeld+1 {
		t.Error(len(st.held), st.seen)
	}
}

func TestReset(t *testing.T) {
	play(t, Options{}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		p.entries(conv, 1, 2)
		p.write(&wire.Reset{Type: "reset", Conv: conv, Epoch: "e1", Next: 10})
		p.entries(conv, 10, 11)
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{1, 2, 10, 11}) {
			t.Error(got)
		}
		p.write(&wire.Reset{Type: "reset", Epoch: "e2"}) // another epoch: everything is open
		p.entries(conv, 1)
		p.entries(conv2, 4)
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{1, 4}) {
			t.Error(got)
		}
		if st := b.c.Stats(); st.Resets != 2 || st.Gaps != 0 || st.Duplicates != 0 {
			t.Errorf("%+v", st)
		}
		if epoch, cursors := b.c.Position(); epoch != "e2" || cursors[conv] != 1 || cursors[conv2] != 4 {
			t.Error(epoch, cursors)
		}
		p.cut()
		p, h := b.accept()
		if h.Resume.Epoch != "e2" || h.Resume.Cursors[conv] != 1 {
			t.Errorf("%+v", h.Resume)
		}
		p.welcome("e3") // the welcome alone says it, too
		p.entries(conv, 20)
		if got := b.seqs(); !slices.Equal(got, []chat.Seq{20}) {
			t.Error(got)
		}
	})
}

func TestResumeFitsIntoAFrame(t *testing.T) {
	st := newStreams(nil)
	for i := range 3000 {
		id := chat.DirectID("_", chat.User(chat.EntryID("u", chat.Seq(i))), "b")
		st.of(id).arrive(entry(id, chat.MaxSeq-1), i)
	}
	h := &wire.Hello{Resume: &wire.Resume{Epoch: "e", Cursors: st.resume()}}
	raw, err := wire.EncodeClient(h)
	if err != nil || len(raw) > 60<<10 {
		t.Error(len(raw), err)
	}
	last := chat.DirectID("_", chat.User(chat.EntryID("u", 2999)), "b")
	if _, ok := h.Resume.Cursors[last]; !ok || len(h.Resume.Cursors) < 500 {
		t.Error("those that moved last must be in it")
	}
}

func TestRecvIsCoalesced(t *testing.T) {
	play(t, Options{RecvDelay: 50 * time.Millisecond}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		start := time.Now()
		p.entries(conv, 1, 2, 3)
		p.entries(conv2, 9)
		r := read[*wire.Recv](p)
		if r.Conv != conv || *r.Seq != 3 || time.Since(start) != 50*time.Millisecond {
			t.Errorf("%+v %d after %v", r, *r.Seq, time.Since(start))
		}
		if r = read[*wire.Recv](p); r.Conv != conv2 || *r.Seq != 9 {
			t.Errorf("%+v", r)
		}
		b.c.MarkRead(conv, 2)
		if r := read[*wire.Read](p); r.Conv != conv || *r.Seq != 2 {
			t.Errorf("%+v", r)
		}
		b.c.MarkRead(conv, 1) // never back
		p.cut()
		p, _ = b.live() // neither is known to have arrived
		if r := read[*wire.Read](p); *r.Seq != 2 {
			t.Errorf("%+v", r)
		}
		read[*wire.Recv](p)
		read[*wire.Recv](p)
		p.write(&wire.Receipt{Type: "receipt", Conv: conv, User: "me", Read: 2})
		synctest.Wait()
		p.cut()
		p, _ = b.live()
		read[*wire.Recv](p) // the read is known now
		read[*wire.Recv](p)
	})
}

func TestRecvCanBeOff(t *testing.T) {
	play(t, Options{RecvDelay: -1}, func(t *testing.T, b *bench) {
		p, _ := b.live()
		p.entries(conv, 1, 2, 3)
		read[*wire.Ping](p) // after the heartbeat, and nothing before it
	})
}
