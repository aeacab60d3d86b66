package commit

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// hanging does not answer reads of the log behind an entry.
type hanging struct {
	*memstore.Store
	from chat.Seq
}

func (h *hanging) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	if h.from > 0 && r.After >= h.from {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Store.Entries(ctx, key, r)
}

// A look that has answered all of a lane's commands, and then runs out of time, has
// nobody to answer.
func TestALookThatHangsWhenAllAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		h := &hanging{Store: s.As("other")}
		one, other := newPod(t, s.As("one")), newPod(t, s, func(o *Options) { o.Store = h })
		mustAck(t, other.do(message("m1", nil)), 1)
		for i := range readPage + 1 {
			mustAck(t, one.do(message(fmt.Sprint("m", i+2), nil)), chat.Seq(i+2))
		}
		h.from = 2
		mustRepeat(t, other.do(message("m2", nil)), 2)
		time.Sleep(other.opts.Deadline + time.Second)
		synctest.Wait()
		h.from = 0
		mustAck(t, other.do(message("next", nil)), readPage+3)
		audit(t, s, aliceBob)
	})
}
