package commit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// broken is a request whose judgement panics, as a defect would that nobody has found.
func broken(cmid string, stream *Stream) *Request {
	r := message(cmid, stream)
	r.Judge = func(*state.State) (chat.Entry, *chat.Error) { panic("this command breaks it") }
	return r
}

// A judgement that panics costs its own command, which gets no answer that is final; and
// nothing of its session overtakes it.
func TestAPanicCostsOneCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		mustRefuse(t, p.do(broken("m0", nil)), chat.CodeInternal)
		mustAck(t, p.do(message("m1", nil)), 1)
		hold := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block, Times: 1})
		var stream, other Stream
		answers := []<-chan Result{p.start(message("m2", &stream))}
		synctest.Wait() // the others gather behind it
		for _, r := range []*Request{message("m3", &stream), broken("m4", &stream), message("m5", &other)} {
			answers = append(answers, p.start(r))
		}
		hold.Release()
		mustAck(t, <-answers[0], 2)
		mustAck(t, <-answers[1], 3)
		mustRefuse(t, <-answers[2], chat.CodeInternal)
		mustAck(t, <-answers[3], 4)
		mustRefuse(t, p.do(message("m6", &stream)), chat.CodeUnavailable)
		mustAck(t, p.do(message("m4", &stream)), 5)
		mustAck(t, p.do(message("m6", &stream)), 6)
		mustRepeat(t, p.do(broken("m1", nil)), 1)
		audit(t, s, aliceBob)
	})
}

// The same where a block has it judged before its conversation is made.
func TestAPanicBeforeThereIsAConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		if _, err := s.PutBlock(t.Context(), "_", chat.Block{User: "bob", Peer: "alice", Version: 1, On: true, Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		p := newPod(t, s)
		mustRefuse(t, p.do(broken("m1", nil)), chat.CodeInternal)
		if list, err := s.Memberships(t.Context(), "_", "alice", "", 1); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
