package costs

import (
	"fmt"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/talk"
)

// Who is synced and then reads the list, page after page, while everybody writes,
// knows of every message: what the list does not show comes on the socket. A
// conversation that moves to the front while the list is read is on a page that was
// read already, and on none of the others.
func TestListMissesNothingAfterSynced(t *testing.T) {
	w := newWorld(t, &memory{}, nil)
	const convs, rounds = 60, 5
	ids := w.seed("alice", 0, convs, 1)
	alice := w.login("alice", "phone")

	var writers sync.WaitGroup
	for i := range convs {
		s := w.login(other(i), "phone")
		writers.Go(func() {
			for n := range rounds {
				s.Send(`{"type":"send","conv":%q,"cmid":"new%d","body":{"text":"x"}}`, ids[i], n)
			}
		})
	}
	// New conversations too, of which the list may know nothing yet.
	s := w.login("zoe", "phone")
	writers.Go(func() { s.Send(`{"type":"send","to":"alice","cmid":"zoe","body":{"text":"x"}}`) })

	listed := map[string]chat.Seq{}
	for cursor, more := "", true; more; more = cursor != "" {
		var page wire.List[wire.Conversation]
		w.get("alice", fmt.Sprintf("/v1/conversations?limit=7&cursor=%s", cursor), &page)
		for _, c := range page.Items {
			listed[string(c.Conv)] = max(listed[string(c.Conv)], c.Head)
		}
		cursor = page.Next
	}
	writers.Wait()

	// What came on the socket, in order, until everything that was written has come:
	// each entry once, so nothing rests on the list alone.
	pending := map[string]chat.Seq{string(chat.DirectID(chat.DefaultNS, "alice", "zoe")): 1}
	for _, id := range ids {
		pending[id] = rounds + 1
	}
	last := map[string]chat.Seq{}
	alice.Until(func(f talk.Frame) bool {
		if f.Type != "message" {
			return false
		}
		if before := last[f.Conv]; before != 0 && f.Seq != before+1 {
			t.Errorf("%s: %d after %d", f.Conv, f.Seq, before)
		}
		last[f.Conv] = f.Seq
		if f.Seq == pending[f.Conv] {
			delete(pending, f.Conv)
		}
		return len(pending) == 0
	})
	for id, head := range listed {
		if head > last[id] {
			t.Errorf("%s: the list knew %d, the socket %d", id, head, last[id])
		}
	}
	// At rest a reading of the list has everything.
	var page wire.List[wire.Conversation]
	w.get("alice", "/v1/conversations?limit=200", &page)
	if len(page.Items) != convs+1 {
		t.Errorf("%d conversations are listed, want %d", len(page.Items), convs+1)
	}
	for _, c := range page.Items {
		if c.Head != last[string(c.Conv)] {
			t.Errorf("%s: listed with head %d, the socket had %d", c.Conv, c.Head, last[string(c.Conv)])
		}
	}
}
