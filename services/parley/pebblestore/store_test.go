package pebblestore

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mustOpen opens a store that is closed at the end of the test.
func mustOpen(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = "data"
	}
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return mustOpen(t, Options{}) })
}

// TestContractOnDisk also has hardly any cache, so that tails come from the log.
func TestContractOnDisk(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), CacheBytes: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Run(t, func(*testing.T) store.Store { return s })
}

func TestInUse(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, Options{FS: fs})
	_, err := Open(Options{Dir: "data", FS: fs})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("open of a folder in use: %v", err)
	}
	if want := "pebblestore: open data: is in use by another parley; stop it or use --data"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, Options{FS: fs})
}

func TestFormat(t *testing.T) {
	for name, row := range map[string][2]string{
		"later format":  {string(selfKey("format")), "2"},
		"somebody else": {"key", "value"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			db, err := pebble.Open("data", &pebble.Options{FS: fs, Logger: pebbleLogger{slog.New(slog.DiscardHandler)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Set([]byte(row[0]), []byte(row[1]), pebble.Sync), db.Close()); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first refusal must have let go of the folder
				if _, err = Open(Options{Dir: "data", FS: fs}); !errors.Is(err, ErrFormat) {
					t.Errorf("got %v, want ErrFormat", err)
				}
			}
		})
	}
}

func TestNoFolder(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Error("opened without a folder")
	}
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("ping: %v", err)
	}
	a := s.Append(t.Context(), store.Batch{Entries: []chat.Entry{message(key(1), 1)}})
	if a.Outcomes[0] != store.Unknown || !errors.Is(a.Err, ErrClosed) {
		t.Errorf("append: %+v", a)
	}
}

// TestReopen keeps everything: here, what the next turn depends on.
func TestReopen(t *testing.T) {
	fs := vfs.NewMem()
	ctx := t.Context()
	s := mustOpen(t, Options{FS: fs})
	meta, err := s.Meta(ctx)
	if err != nil {
		t.Fatal(err)
	}
	es := []chat.Entry{message(key(1), 1), message(key(1), 2), reaction(key(1), 3, 2)}
	mustAppend(t, s, store.JournalID{Pod: "p", Number: 1, Epoch: "e"}, es...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, Options{FS: fs})
	if again, err := s.Meta(ctx); err != nil || again != meta {
		t.Errorf("identity %+v, %v; want %+v", again, err, meta)
	}
	again := message(key(1), 4)
	again.CMID = es[0].CMID
	for _, e := range []chat.Entry{es[0], es[2], again} {
		if a := s.Append(ctx, store.Batch{Entries: []chat.Entry{e}}); a.Outcomes[0] != store.Duplicate {
			t.Errorf("seq %d, cmid %s: %+v, want a duplicate", e.Seq, e.CMID, a)
		}
	}
	mustAppend(t, s, store.JournalID{}, message(key(1), 4))
	checkLog(t, s, key(1), 4)
}

func TestRefused(t *testing.T) {
	s := mustOpen(t, Options{})
	zero, kind, apart := message(key(2), 1), message(key(3), 1), message(key(1), 2)
	zero.From = "a\x00b"
	kind.Kind = "poll"
	for name, es := range map[string][]chat.Entry{
		"hole":         {message(key(4), 2)},
		"seq 0":        {message(key(4), 0)},
		"zero byte":    {zero},
		"unknown kind": {kind},
		"not adjacent": {message(key(1), 1), message(key(5), 1), apart},
	} {
		a := s.Append(t.Context(), store.Batch{Entries: es})
		if a.Err == nil || a.Outcomes[len(es)-1] != store.NotTried {
			t.Errorf("%s: %+v, want the last not tried", name, a)
		}
		if len(es) == 3 && (a.Outcomes[0] != store.Stored || a.Outcomes[1] != store.Stored) {
			t.Errorf("%s: %+v, want the others stored", name, a)
		}
	}
	mustAppend(t, s, store.JournalID{}, apart)
}

// TestLease lets a lease run out by the injected clock.
func TestLease(t *testing.T) {
	now := time.Unix(1e9, 0).UTC()
	s := mustOpen(t, Options{Now: func() time.Time { return now }})
	ctx := t.Context()
	p := store.Pod{ID: "p", Epoch: "e", First: 7}
	register := func(want error) {
		t.Helper()
		if err := s.Register(ctx, p, time.Minute); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Fatalf("register: %v, want %v", err, want)
		}
	}
	register(nil)
	now = now.Add(time.Minute - 1)
	register(nil)
	pods, clock, err := s.Pods(ctx)
	if err != nil || !clock.Equal(now) || len(pods) != 1 || pods[0].First != 7 {
		t.Errorf("pods: %+v, %v, %v", pods, clock, err)
	}
	now = now.Add(time.Minute)
	register(store.ErrNotFound)
	if err := s.Forget(ctx, "p"); err != nil {
		t.Fatal(err)
	}
	register(nil)
}

// What follows makes the entries of this package's tests.

func key(i int) chat.Key {
	return chat.Key{NS: "_", Conv: chat.ConvID(fmt.Sprintf("g_%026d", i))}
}

func message(key chat.Key, seq chat.Seq) chat.Entry {
	return chat.Entry{
		Key: key, Seq: seq, Kind: chat.KindMessage, From: "alice", CMID: chat.CMID(fmt.Sprintf("cmid-%d", seq)),
		Time: time.UnixMilli(1e12 + int64(seq)).UTC(), Count: int64(seq), MV: 1, Members: 2,
		Body: fmt.Appendf(nil, `{"text":"%s %d"}`, key.Conv, seq),
	}
}

func reaction(key chat.Key, seq, target chat.Seq) chat.Entry {
	e := message(key, seq)
	e.Kind, e.Body, e.Target, e.Emoji, e.On = chat.KindReacted, nil, target, "👍", true
	return e
}

func mustAppend(t testing.TB, s *Store, id store.JournalID, es ...chat.Entry) {
	t.Helper()
	a := s.Append(t.Context(), store.Batch{Entries: es, Journal: id})
	for i, o := range a.Outcomes {
		if o != store.Stored || !a.Finished {
			t.Fatalf("entry %d of %d: outcome %d, finished %v, error %v", i, len(es), o, a.Finished, a.Err)
		}
	}
}

// checkLog checks that the log has the entries 1 to n, all of them findable.
func checkLog(t testing.TB, s *Store, key chat.Key, n int) []chat.Entry {
	t.Helper()
	es, err := s.Entries(t.Context(), key, store.Range{Limit: n + 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(es) != n {
		t.Fatalf("%s has %d entries, want %d", key.Conv, len(es), n)
	}
	for i := range es {
		if es[i].Seq != chat.Seq(i+1) {
			t.Fatalf("%s has seq %d at %d", key.Conv, es[i].Seq, i)
		}
		e, err := s.Lookup(t.Context(), key, es[i].From, es[i].CMID)
		if err != nil || e.Seq != es[i].Seq {
			t.Fatalf("lookup of %s/%d: %d, %v", key.Conv, es[i].Seq, e.Seq, err)
		}
	}
	return es
}
