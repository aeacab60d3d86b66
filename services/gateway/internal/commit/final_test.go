package commit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// deposed is a store of which a client asks a primary that has been deposed and has not
// noticed: majority reads miss what the new one has confirmed. What is linearizable is
// answered by the new primary alone, and the client asks that from then on.
type deposed struct {
	*memstore.Store

	mu   sync.Mutex
	old  bool     // reads come from the deposed primary
	seen chat.Seq // what that one has of the log; 0: not even the conversation
	away bool     // the new primary cannot be reached
}

func (d *deposed) depose(seen chat.Seq, away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.old, d.seen, d.away = true, seen, away
}

func (d *deposed) hides(seq chat.Seq) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.old && seq > d.seen
}

func (d *deposed) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	list, err := d.Store.Entries(ctx, key, r)
	return slices.DeleteFunc(list, func(e chat.Entry) bool { return d.hides(e.Seq) }), err
}

func (d *deposed) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	if d.hides(1) {
		return nil, nil
	}
	return d.Store.ConversationsByKey(ctx, keys)
}

func (d *deposed) Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	e, err := d.Store.Lookup(ctx, key, from, cmid)
	if err == nil && d.hides(e.Seq) {
		return chat.Entry{}, store.ErrNotFound
	}
	return e, err
}

func (d *deposed) LookupLinearizable(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	d.mu.Lock()
	away := d.away
	d.old = away
	d.mu.Unlock()
	if away {
		return chat.Entry{}, errors.New("no majority")
	}
	return d.Store.LookupLinearizable(ctx, key, from, cmid)
}

// behind is a pod whose store may be deposed, beside one whose store is not.
func behind(t *testing.T) (s *memstore.Store, one, other *pod, d *deposed) {
	s = memstore.New(memstore.Options{})
	d = &deposed{Store: s.As("other")}
	one = newPod(t, s.As("one"))
	return s, one, newPod(t, s, func(o *Options) { o.Store = d }), d
}

// forbidden is a request that is refused as of any state.
func forbidden(cmid string) *Request {
	r := message(cmid, nil)
	r.Judge = func(*state.State) (chat.Entry, *chat.Error) {
		return chat.Entry{}, chat.Errorf(chat.CodeForbidden, "not any more")
	}
	return r
}

func mustRepeat(t *testing.T, res Result, seq chat.Seq) {
	t.Helper()
	mustAck(t, res, seq)
	if !res.Dup {
		t.Error("not marked as a repeat")
	}
}

// A command that is stored is not refused by a pod that asks a deposed primary, and one
// that is not is judged as of what the new one has.
func TestRefusalLooksPastADeposedPrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, other, d := behind(t)
		mustAck(t, other.do(message("m1", nil)), 1)
		mustAck(t, one.do(message("m2", nil)), 2)
		d.depose(1, false)
		mustRepeat(t, other.do(forbidden("m2")), 2)
		mustAck(t, one.do(message("m3", nil)), 3)
		d.depose(2, false)
		mustAck(t, other.do(aimed("x1", chat.KindReacted, 3)), 4)
		d.depose(2, false)
		mustRefuse(t, other.do(forbidden("m4")), chat.CodeForbidden)
		audit(t, s, aliceBob)
	})
}

// The same where the deposed primary has not even the conversation.
func TestRefusalLooksPastAConversationThatIsNotSeen(t *testing.T) {
	existing := func(cmid string) *Request {
		r := message(cmid, nil)
		r.New = nil
		return r
	}
	for what, c := range map[string]struct {
		r     *Request
		seq   chat.Seq
		dup   bool
		block bool
	}{
		"a repeat":                  {r: existing("m1"), seq: 1, dup: true},
		"a new one":                 {r: existing("m2"), seq: 2},
		"a repeat, blocked since":   {r: forbidden("m1"), seq: 1, dup: true, block: true},
		"one that makes it, anyway": {r: message("m2", nil), seq: 2},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, one, other, d := behind(t)
				mustAck(t, one.do(message("m1", nil)), 1)
				if c.block {
					if _, err := s.PutBlock(t.Context(), "_", chat.Block{User: "bob", Peer: "alice", Version: 1, On: true}); err != nil {
						t.Fatal(err)
					}
				}
				d.depose(0, false)
				if c.r.New != nil && !c.block { // nothing is refused, so nothing looks for the new primary
					time.AfterFunc(time.Second, func() { d.depose(1, false) })
				}
				res := other.do(c.r)
				mustAck(t, res, c.seq)
				if res.Dup != c.dup {
					t.Errorf("%+v", res)
				}
				audit(t, s, aliceBob)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, _, other, d := behind(t)
		d.depose(0, false)
		mustRefuse(t, other.do(existing("m1")), chat.CodeNotFound)
		d.depose(0, true)
		mustRefuse(t, other.do(existing("m2")), chat.CodeUnavailable)
	})
}

// A refusal waits where nobody can say whether the command is stored.
func TestRefusalWaitsForAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, other, d := behind(t)
		mustAck(t, other.do(message("m1", nil)), 1)
		mustAck(t, one.do(message("m2", nil)), 2)
		d.depose(1, true)
		mustRefuse(t, other.do(forbidden("m2")), chat.CodeUnavailable)
		d.depose(1, false)
		mustRepeat(t, other.do(forbidden("m2")), 2)
	})
	for _, stored := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New(memstore.Options{})
			one, other := newPod(t, s.As("one")), newPod(t, s.As("other"))
			mustAck(t, other.do(message("m1", nil)), 1)
			held := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Invisible, Times: 1})
			first := one.start(message("m2", nil))
			if err := held.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			again := other.start(forbidden("m2"))
			time.Sleep(time.Second) // fake: tries go on meanwhile
			select {
			case res := <-again:
				t.Fatalf("answered %+v while it may yet be stored", res)
			default:
			}
			if stored {
				held.Release()
				mustAck(t, <-first, 2)
				mustRepeat(t, <-again, 2)
				return
			}
			held.RollBack()
			res := <-again
			<-first // is stored by another try, before that or after
			if res.Err == nil {
				mustRepeat(t, res, 2)
			} else {
				mustRefuse(t, res, chat.CodeForbidden)
			}
			audit(t, s, aliceBob)
		})
	}
}
