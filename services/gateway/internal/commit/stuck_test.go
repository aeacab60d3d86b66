package commit

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// refusing does not try appends to one conversation, as a store does whose log has another
// end than this pod believes.
type refusing struct {
	*memstore.Store
	refuses atomic.Bool
	asked   atomic.Int64
}

func (r *refusing) Append(ctx context.Context, b store.Batch) store.Appended {
	if !r.refuses.Load() {
		return r.Store.Append(ctx, b)
	}
	r.asked.Add(1)
	return store.Appended{Outcomes: make([]store.Outcome, len(b.Entries)), Err: errors.New("the log has another end")}
}

// An append that is not tried at all is repeated with pauses, on what the store has, and
// not as fast as the processor can.
func TestAnAppendThatIsNotTriedIsRepeatedWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &refusing{Store: memstore.New(memstore.Options{})}
		p := newPod(t, s.Store, func(o *Options) { o.Store = s })
		mustAck(t, p.do(message("m1", nil)), 1)
		s.refuses.Store(true)
		loads := s.Calls(memstore.OpMembers)
		answer := p.start(message("m2", nil))
		time.Sleep(time.Second) // fake: where it is asked without a pause, this never ends
		if n := s.asked.Load(); n < 5 || n > 30 {
			t.Errorf("asked %d times in a second", n)
		}
		if s.Calls(memstore.OpMembers) == loads {
			t.Error("it went on with what it believed")
		}
		s.refuses.Store(false)
		mustAck(t, <-answer, 2)
		s.refuses.Store(true)
		if res := p.do(message("m3", nil)); res.Err == nil || res.Err.Code != chat.CodeUnavailable {
			t.Errorf("%+v", res)
		}
	})
}
