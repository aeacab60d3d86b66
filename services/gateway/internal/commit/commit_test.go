package commit

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/journal"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pod is a committer with what it announced.
type pod struct {
	*Committer
	store *memstore.Store

	mu   sync.Mutex
	told []chat.Entry
}

func newPod(t *testing.T, s *memstore.Store, change ...func(*Options)) *pod {
	p := &pod{store: s}
	opts := Options{Store: s, Journal: journal.New(journal.Options{Store: s}), Log: slog.New(slog.DiscardHandler),
		Committed: func(_ store.JournalID, list []chat.Entry, _ []tracing.Context) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.told = append(p.told, list...)
		}}
	for _, f := range change {
		f(&opts)
	}
	p.Committer = NewCommitter(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.Stop(ctx)
	})
	return p
}

var aliceBob = chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}

// message is a request of alice to the direct conversation with bob.
func message(cmid string, stream *Stream) *Request {
	body := []byte(`{"text":"` + cmid + `"}`)
	r := &Request{Key: aliceBob, From: "alice", CMID: chat.CMID(cmid), Stream: stream, Size: len(body)}
	copy(r.Hash[:], cmid)
	r.New = &New{Conversation: chat.Conversation{Key: aliceBob, Kind: chat.Direct, Users: []chat.User{"alice", "bob"}, Floor: 1}}
	for _, u := range r.New.Conversation.Users {
		r.New.Members = append(r.New.Members, chat.Member{Key: aliceBob, User: u, Role: chat.RoleMember, Joined: 1})
	}
	r.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		if _, ok := s.Member("alice"); !ok {
			return chat.Entry{}, chat.Errorf(chat.CodeForbidden, "not a member")
		}
		return chat.Entry{Kind: chat.KindMessage, Time: time.Now().UTC().Truncate(time.Millisecond), Body: body}, nil
	}
	return r
}

// start submits a request; the channel gets its one answer.
func (p *pod) start(r *Request) <-chan Result {
	ch := make(chan Result, 2)
	r.Done = func(res Result) { ch <- res }
	p.Submit(r)
	return ch
}

func (p *pod) do(r *Request) Result { return <-p.start(r) }

// audit reads the log back: dense, each cmid once, finished up to the head.
func audit(t *testing.T, s *memstore.Store, key chat.Key) []chat.Entry {
	t.Helper()
	log, err := s.Entries(t.Context(), key, store.Range{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	count := int64(0)
	for i, e := range log {
		if e.Kind == chat.KindMessage {
			count++
		}
		id := string(e.From) + "/" + string(e.CMID)
		if e.Seq != chat.Seq(i+1) || seen[id] || e.Count != count {
			t.Fatalf("entry %d is %+v", i, e)
		}
		seen[id] = true
	}
	return log
}

func mustAck(t *testing.T, res Result, seq chat.Seq) {
	t.Helper()
	if res.Err != nil || res.Entry.Seq != seq {
		t.Fatalf("got %+v, want an ack of %d", res, seq)
	}
}

func TestEveryFaultOfAppendEndsInOneEntry(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied, memstore.Invisible, memstore.Late} {
		for _, end := range []string{"release", "roll back"} {
			t.Run(fmt.Sprintf("%v %s", kind, end), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := memstore.New(memstore.Options{})
					p := newPod(t, s)
					mustAck(t, p.do(message("m1", nil)), 1)
					fault := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: kind, Times: 1})
					answer := p.start(message("m2", nil))
					time.Sleep(500 * time.Millisecond) // fake time: tries go on meanwhile
					if end == "release" {
						fault.Release()
					} else {
						fault.RollBack()
					}
					mustAck(t, <-answer, 2)
					mustAck(t, p.do(message("m3", nil)), 3)
					if log := audit(t, s, aliceBob); len(log) != 3 {
						t.Fatalf("%d entries", len(log))
					}
				})
			})
		}
	}
}

func TestNothingIsAckedBeforeItIsFinished(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New(memstore.Options{})
			p := newPod(t, s)
			mustAck(t, p.do(message("m1", nil)), 1)
			fault := s.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: kind})
			answer := p.start(message("m2", nil))
			synctest.Wait()
			select {
			case res := <-answer:
				t.Fatalf("answered %+v before it was finished", res)
			default:
			}
			fault.Remove()
			mustAck(t, <-answer, 2)
			convs, _ := s.ConversationsByKey(t.Context(), []chat.Key{aliceBob})
			if convs[0].Last.Seq != 2 {
				t.Fatalf("acked with head %d", convs[0].Last.Seq)
			}
		})
	}
}

func TestRepeatIsFinishedAndAnnouncedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		dying := newPod(t, s.As("dying"))
		mustAck(t, dying.do(message("m1", nil)), 1)
		s.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "dying" }})
		res := dying.do(message("m2", nil)) // stored, not finished; the pod goes no further
		if res.Err == nil || res.Err.Code != chat.CodeUnavailable || res.Err.RetryAfter == 0 {
			t.Fatalf("%+v", res)
		}
		heir := newPod(t, s.As("heir"))
		res = heir.do(message("m2", nil))
		mustAck(t, res, 2)
		synctest.Wait() // announcing comes after answering
		heir.mu.Lock()
		defer heir.mu.Unlock()
		if !res.Dup || len(heir.told) == 0 || heir.told[0].Seq != 2 || !slices.Equal(heir.told[0].Concerns, []chat.User{"alice", "bob"}) {
			t.Fatalf("%+v, announced %+v", res, heir.told)
		}
		convs, _ := s.ConversationsByKey(t.Context(), []chat.Key{aliceBob})
		if convs[0].Last.Seq != 2 {
			t.Fatalf("head %d", convs[0].Last.Seq)
		}
	})
}

// A removal that its writer did not finish must not leave the member in.
func TestUnfinishedRemovalCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		dying, other := newPod(t, s.As("dying")), newPod(t, s.As("other"))
		mustAck(t, dying.do(message("m1", nil)), 1)
		mustAck(t, other.do(message("m2", nil)), 2)
		s.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "dying" }})
		removal := message("r", nil)
		removal.From = "bob"
		removal.Judge = func(*state.State) (chat.Entry, *chat.Error) {
			return chat.Entry{Kind: chat.KindMembers, Change: chat.ChangeRemoved, Users: []chat.UserRole{{User: "alice"}}}, nil
		}
		if res := dying.do(removal); res.Err == nil {
			t.Fatalf("%+v", res)
		}
		// other's cached state still has alice in; the index tells it otherwise.
		if res := other.do(message("m3", nil)); res.Err == nil || res.Err.Code != chat.CodeForbidden {
			t.Fatalf("%+v", res)
		}
		if log := audit(t, s, aliceBob); len(log) != 3 {
			t.Fatalf("%d entries", len(log))
		}
	})
}

func TestRefusalLooksForAnEarlierSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		mustAck(t, p.do(message("m1", nil)), 1)
		again := message("m1", nil)
		again.Judge = func(*state.State) (chat.Entry, *chat.Error) {
			return chat.Entry{}, chat.Errorf(chat.CodeForbidden, "not any more")
		}
		res := p.do(again)
		mustAck(t, res, 1)
		if !res.Dup {
			t.Fatal("not marked as a repeat")
		}
		other := message("m1", nil)
		other.Hash = chat.Hash{1}
		if res := p.do(other); res.Err == nil || res.Err.Code != chat.CodeCMIDConflict {
			t.Fatalf("%+v", res)
		}
	})
}

func TestStoreAwayEndsInUnavailableAndKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		var stream Stream
		mustAck(t, p.do(message("m1", &stream)), 1)
		fault := s.Inject(memstore.Fault{Kind: memstore.Fail})
		a, b := p.start(message("m2", &stream)), p.start(message("m3", &stream))
		for _, ch := range []<-chan Result{a, b} {
			if res := <-ch; res.Err == nil || res.Err.Code != chat.CodeUnavailable || res.Err.RetryAfter == 0 {
				t.Fatalf("%+v", res)
			}
		}
		fault.Remove()
		// m3 and m4 must not overtake m2.
		for _, cmid := range []string{"m3", "m4"} {
			if res := p.do(message(cmid, &stream)); res.Err == nil || res.Err.Code != chat.CodeUnavailable {
				t.Fatalf("%s: %+v", cmid, res)
			}
		}
		if !stream.Broken() {
			t.Fatal("the stream is not broken")
		}
		for i, cmid := range []string{"m2", "m3", "m4"} {
			mustAck(t, p.do(message(cmid, &stream)), chat.Seq(i+2))
		}
		if p.Pending() != 0 {
			t.Fatalf("%d pending", p.Pending())
		}
	})
}

// A command that had no answer, but is stored: its client may learn that from the
// entry and never repeat it. The stream goes on by itself.
func TestStreamGoesOnAfterWhatTurnsOutToBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		var stream Stream
		mustAck(t, p.do(message("m1", &stream)), 1)
		s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.FailApplied, Times: 1})
		var away []*memstore.Injection
		for _, op := range []memstore.Op{memstore.OpEntries, memstore.OpLookup, memstore.OpConversationsByKey} {
			away = append(away, s.Inject(memstore.Fault{Op: op, Kind: memstore.Fail}))
		}
		if res := p.do(message("m2", &stream)); res.Err == nil || res.Err.Code != chat.CodeUnavailable {
			t.Fatalf("%+v", res)
		}
		for _, in := range away {
			in.Remove()
		}
		mustAck(t, p.do(message("m3", &stream)), 3)
		mustAck(t, p.do(message("m4", &stream)), 4)
		if log := audit(t, s, aliceBob); len(log) != 4 || log[1].CMID != "m2" {
			t.Fatalf("%d entries", len(log))
		}
	})
}

func TestFullCommitterRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s, func(o *Options) { o.MaxPending = 2 })
		mustAck(t, p.do(message("m0", nil)), 1)
		block := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block})
		a, b := p.start(message("m1", nil)), p.start(message("m2", nil))
		if res := p.do(message("m3", nil)); res.Err == nil || res.Err.Code != chat.CodeUnavailable {
			t.Fatalf("%+v", res)
		}
		block.Remove()
		block.Release()
		mustAck(t, <-a, 2)
		mustAck(t, <-b, 3)
	})
}

func TestStopAnswersEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		mustAck(t, p.do(message("m0", nil)), 1)
		s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Fail})
		var waiting []<-chan Result
		for i := range 10 {
			waiting = append(waiting, p.start(message(fmt.Sprint("m", i+1), nil)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.Stop(ctx)
		for _, ch := range waiting {
			if res := <-ch; res.Err == nil || res.Err.Code != chat.CodeUnavailable {
				t.Fatalf("%+v", res)
			}
		}
		if res := p.do(message("late", nil)); res.Err == nil || res.Err.Code != chat.CodeUnavailable {
			t.Fatalf("%+v", res)
		}
	})
}

// Many writers, several pods, one conversation, and a store that fails in every
// way it knows: what is acked is stored once, in order, and nothing else is.
func TestManyWritersUnderFaults(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { manyWriters(t, seed) })
		})
	}
}

func manyWriters(t *testing.T, seed uint64) {
	const pods, writers, each = 3, 4, 12
	s := memstore.New(memstore.Options{Atomic: seed%3 == 0})
	rnd := rand.New(rand.NewPCG(seed, 1))
	var injected []*memstore.Injection
	for _, op := range []memstore.Op{memstore.OpAppend, memstore.OpAppend, memstore.OpFinish, memstore.OpEntries, memstore.OpLookup, memstore.OpCreate} {
		kind := []memstore.Kind{memstore.Fail, memstore.FailApplied, memstore.Invisible, memstore.Late}[rnd.IntN(4)]
		percent := rnd.IntN(30)
		faults := rand.New(rand.NewPCG(seed, uint64(len(injected))))
		injected = append(injected, s.Inject(memstore.Fault{Op: op, Kind: kind,
			When: func(memstore.Call) bool { return faults.IntN(100) < percent }}))
	}
	stop := make(chan struct{})
	var healer sync.WaitGroup
	healer.Go(func() { // what is held comes through, or is rolled back, now and then
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, in := range injected {
				if rnd.IntN(2) == 0 {
					in.Release()
				} else {
					in.RollBack()
				}
			}
		}
	})
	var list []*pod
	for i := range pods {
		list = append(list, newPod(t, s.As(fmt.Sprint("pod", i))))
	}
	type acked struct {
		cmid chat.CMID
		seq  chat.Seq
	}
	logs := make([][]acked, pods*writers)
	var wg sync.WaitGroup
	for w := range pods * writers {
		p := list[w%pods]
		wg.Go(func() {
			var stream Stream
			for i := range each {
				cmid := fmt.Sprintf("w%d-%d", w, i)
				for {
					res := p.do(message(cmid, &stream))
					if res.Err == nil {
						logs[w] = append(logs[w], acked{chat.CMID(cmid), res.Entry.Seq})
						break
					}
					if res.Err.Code != chat.CodeUnavailable {
						t.Errorf("%s: %v", cmid, res.Err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	healer.Wait()
	for _, in := range injected {
		in.Remove()
		in.RollBack()
	}
	log := audit(t, s, aliceBob)
	if len(log) != pods*writers*each {
		t.Fatalf("%d entries, want %d", len(log), pods*writers*each)
	}
	for _, acks := range logs {
		last := chat.Seq(0)
		for _, a := range acks {
			if a.seq <= last || log[a.seq-1].CMID != a.cmid {
				t.Fatalf("ack %+v after %d, the log has %s", a, last, log[a.seq-1].CMID)
			}
			last = a.seq
		}
	}
}
