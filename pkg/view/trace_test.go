package view

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestTrace(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice", "bob", "carol")
	seq := w.say("alice", "for all")
	sent := w.put(chat.Entry{Kind: chat.KindMessage, From: "bob", Via: "billing", Body: body("an invoice")})
	w.hasRead("bob", seq)
	w.hasRecv("carol", "phone", seq)
	trace := func(user chat.User, operator bool, seq chat.Seq) (wire.Trace, chat.Code) {
		t.Helper()
		tr, err := w.reader.Trace(w.ctx, w.key.NS, user, operator, chat.EntryID(w.key.Conv, seq))
		if err != nil && codeOf(err) == "" {
			t.Fatal(err)
		}
		return tr, codeOf(err)
	}
	want := wire.Trace{ID: chat.EntryID(w.key.Conv, seq), Conv: w.key.Conv, Seq: seq, From: "alice", Stored: wire.Time{Time: timeOf(seq)},
		Announced: true, State: wire.StateDelivered, Others: 2, Delivered: 2, Read: 1, Receipts: []wire.TraceReceipt{
			{User: "bob", Delivered: true, Read: true}, {User: "carol", Delivered: true}}}
	for _, who := range []struct {
		user     chat.User
		operator bool
	}{{"alice", false}, {"root", true}} {
		if got, code := trace(who.user, who.operator, seq); code != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s\n got %+v\nwant %+v", who.user, code, got, want)
		}
	}
	for _, user := range []chat.User{"bob", "eve", "billing"} {
		if _, code := trace(user, false, seq); code != chat.CodeNotFound {
			t.Errorf("%s, whose message it is not: %q", user, code)
		}
	}
	if got, code := trace("billing", false, sent); code != "" || got.Via != "billing" || got.Others != 2 || got.Delivered != 0 {
		t.Errorf("the service that wrote it: %q %+v", code, got)
	}
	for _, seq := range []chat.Seq{1, sent + 1} { // no message, not there
		if _, code := trace("root", true, seq); code != chat.CodeNotFound {
			t.Errorf("%d: %q", seq, code)
		}
	}
	if _, err := w.reader.Trace(w.ctx, "other", "root", true, want.ID); codeOf(err) != chat.CodeNotFound {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := w.reader.Trace(w.ctx, w.key.NS, "root", true, "x"); codeOf(err) != chat.CodeNotFound {
		t.Errorf("no id: %v", err)
	}
	// Who hides it counts as not having read, and a sender who has left learns nothing
	// of those who stay.
	w.hideRead("bob", true)
	if got, _ := trace("alice", false, seq); got.Read != 0 || got.Delivered != 2 {
		t.Errorf("%+v", got)
	}
	w.change(chat.ChangeRemoved, "alice")
	if got, code := trace("alice", false, seq); code != "" || got.Others != 0 || got.State != wire.StateStored {
		t.Errorf("%q %+v", code, got)
	}
}

// A time is given where it is known, and what is known of it where it is not; who
// hides how far they read shows no time of it.
func TestTraceTimes(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).direct("alice", "bob")
	for range 4 {
		w.say("alice", "x")
	}
	tick := func(n int) wire.Time { return wire.Time{Time: epoch.Add(time.Duration(n) * time.Hour)} }
	receipt := func(seq chat.Seq) wire.TraceReceipt {
		t.Helper()
		tr, err := w.reader.Trace(w.ctx, w.key.NS, "alice", false, chat.EntryID(w.key.Conv, seq))
		w.must(err)
		if len(tr.Receipts) != 1 || tr.Receipts[0].User != "bob" {
			t.Fatalf("%+v", tr.Receipts)
		}
		tr.Receipts[0].User = ""
		return tr.Receipts[0]
	}
	check := func(seq chat.Seq, want wire.TraceReceipt) {
		t.Helper()
		if got := receipt(seq); got != want {
			t.Errorf("%d:\n got %+v\nwant %+v", seq, got, want)
		}
	}
	check(1, wire.TraceReceipt{})
	w.hasRecv("bob", "old", 1) // by a server that kept no times
	check(1, wire.TraceReceipt{Delivered: true})
	w.at = tick(1).Time
	w.hasRecv("bob", "phone", 2)
	w.at = tick(2).Time
	w.hasRecv("bob", "phone", 2) // said again
	check(1, wire.TraceReceipt{Delivered: true, DeliveredBefore: tick(1)})
	check(2, wire.TraceReceipt{Delivered: true, DeliveredAt: tick(1)})
	check(3, wire.TraceReceipt{})
	w.at = tick(3).Time
	w.hasRead("bob", 3)
	check(2, wire.TraceReceipt{Delivered: true, DeliveredAt: tick(1), Read: true, ReadBefore: tick(3)})
	check(3, wire.TraceReceipt{Delivered: true, DeliveredBefore: tick(3), Read: true, ReadAt: tick(3)})
	check(4, wire.TraceReceipt{})
	w.hideRead("bob", true)
	check(2, wire.TraceReceipt{Delivered: true, DeliveredAt: tick(1)})
	check(3, wire.TraceReceipt{Delivered: true})
}

func TestTraceOfALargeGroup(t *testing.T) {
	users := []chat.User{"alice"}
	for i := range 101 {
		users = append(users, chat.User(fmt.Sprint("u", i)))
	}
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", users...)
	seq := w.say("alice", "for all")
	tr, err := w.reader.Trace(w.ctx, w.key.NS, "alice", false, chat.EntryID(w.key.Conv, seq))
	w.must(err)
	if tr.Others != 101 || tr.Receipts != nil {
		t.Errorf("%+v", tr)
	}
}
