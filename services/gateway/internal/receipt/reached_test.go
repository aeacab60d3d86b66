package receipt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// The time that is kept is when the client first said so, however often it says it,
// and however late the store takes it.
func TestWhenAPositionWasReached(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		synctest.Test(t, func(t *testing.T) {
			r := newTracker(t)
			fault := r.store.Inject(memstore.Fault{Op: memstore.OpAdvance, Kind: kind})
			var fifth time.Time
			for _, seq := range []chat.Seq{3, 3, 5, 5, 4} {
				if seq == 5 && fifth.IsZero() {
					fifth = now()
				}
				if cerr := r.Recv(key, "bob", "phone", seq); cerr != nil {
					t.Fatal(cerr)
				}
				time.Sleep(time.Second)
			}
			fault.Remove()
			time.Sleep(3 * time.Second)
			if cerr := r.Recv(key, "bob", "phone", 5); cerr != nil { // and once more
				t.Fatal(cerr)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			m, err := r.store.MembersByUser(t.Context(), key, []chat.User{"bob"})
			if err != nil || len(m) != 1 {
				t.Fatal(m, err)
			}
			if want := (chat.Reached{Seq: 5, Time: fifth}); m[0].RecvAt != want || m[0].ReadAt != (chat.Reached{}) {
				t.Errorf("%v: received %+v, read %+v, want %+v", kind, m[0].RecvAt, m[0].ReadAt, want)
			}
		})
	}
}
