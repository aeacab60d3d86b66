package commit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

var notes = chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "alice")}

// note is a message of alice to herself: nobody can block it.
func note(cmid string) *Request {
	r := message(cmid, nil)
	r.Key = notes
	r.New = &New{Conversation: chat.Conversation{Key: notes, Kind: chat.Direct, Users: []chat.User{"alice"}, Floor: 1},
		Members: []chat.Member{{Key: notes, User: "alice", Role: chat.RoleMember, Joined: 1}}}
	return r
}

// A read of blocks or floors that hangs holds a flush for a part of the deadline only:
// what need not ask is stored then, and what must asks again.
func TestAHangingReadHoldsNobodyForLong(t *testing.T) {
	for name, c := range map[string]struct {
		op   memstore.Op
		asks func() *Request
	}{
		"blocks": {memstore.OpBlocksAmong, func() *Request { return message("m3", nil) }},
		"floors": {memstore.OpConversationsByKey, func() *Request { return aimed("e1", chat.KindEdited, 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New(memstore.Options{})
				p := newPod(t, s, func(o *Options) { o.Flushes = 1 })
				mustAck(t, p.do(message("m1", nil)), 1)
				mustAck(t, p.do(aimed("x1", chat.KindReacted, 1)), 2)
				mustAck(t, p.do(note("n1")), 1)
				hold := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block, Times: 1})
				first := p.start(note("n2")) // the others gather behind it
				synctest.Wait()
				asks := p.start(c.asks())
				s.Inject(memstore.Fault{Op: c.op, Kind: memstore.Block, Times: 1})
				second := p.start(note("n3"))
				begun := time.Now()
				hold.Release()
				mustAck(t, <-first, 2)
				mustAck(t, <-second, 3)
				mustAck(t, <-asks, 3)
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
