package revoke

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// said is a store that says what it is told to.
type said struct {
	*memstore.Store
	list []store.Revocation
}

func (s *said) Revocations(context.Context, time.Time) ([]store.Revocation, error) {
	return s.list, nil
}

// Of two revocations of a user's tokens a pod keeps the later end, in whatever order they
// come: a store that has them in turn, as one that an older gateway writes to, takes
// nothing back.
func TestTheLaterEndStays(t *testing.T) {
	now := time.Now()
	long := store.Revocation{NS: "_", Kind: store.RevokedUser, Name: "bob", Version: 1, On: true, Before: now.Add(-time.Minute), Until: now.Add(9 * time.Hour)}
	short := long
	short.Version, short.Before, short.Until = 2, now, now.Add(time.Hour)
	for what, order := range map[string][]store.Revocation{"the longer first": {long, short}, "the shorter first": {short, long}} {
		t.Run(what, func(t *testing.T) {
			at := now
			s := &said{}
			l := New(Options{Store: s, Now: func() time.Time { return at }})
			for _, r := range order {
				s.list = []store.Revocation{r}
				if err := l.changes(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for ahead, want := range map[time.Duration]auth.Reason{0: auth.ReasonRevoked, 2 * time.Hour: auth.ReasonRevoked, 10 * time.Hour: ""} {
				at = now.Add(ahead)
				if got := reason(l.Check(Token{NS: "_", User: "bob", Issued: now.Add(-time.Second)})); got != want {
					t.Errorf("after %v: %q, want %q", ahead, got, want)
				}
			}
		})
	}
}

// swapped is a store whose data is replaced.
type swapped struct {
	atomic.Pointer[memstore.Store]
}

func (s *swapped) PutRevocation(ctx context.Context, r store.Revocation) (store.Revocation, error) {
	return s.Load().PutRevocation(ctx, r)
}

func (s *swapped) Revocations(ctx context.Context, since time.Time) ([]store.Revocation, error) {
	return s.Load().Revocations(ctx, since)
}

func (s *swapped) DropRevocations(ctx context.Context, ended time.Time) error {
	return s.Load().DropRevocations(ctx, ended)
}

// run has a list kept in step with a store until the test ends.
func run(t *testing.T, s store.Revocations) *List {
	t.Helper()
	l := New(Options{Store: s})
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// What a pod knows stays in force to its own end, whatever the store has lost: a backup
// that is older, a primary that is behind.
func TestWhatTheStoreLostStaysKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swapped{}
		s.Store(memstore.New(memstore.Options{}))
		token, user := Token{NS: "_", Mark: MarkOf("t1")}, Token{NS: "_", User: "bob"}
		put(t, s.Load(), store.RevokedToken, Name("t1"), func(r *store.Revocation) { r.Until = time.Now().Add(3 * whole / 2) })
		put(t, s.Load(), store.RevokedUser, "bob", func(r *store.Revocation) { r.Before, r.Until = time.Now(), time.Now().Add(5*whole/2) })
		put(t, s.Load(), store.RevokedBan, "mallory", nil)
		l := run(t, s)
		s.Store(memstore.New(memstore.Options{}))
		for i, want := range []struct {
			token, user, ban auth.Reason
			entries          int
		}{
			{auth.ReasonRevoked, auth.ReasonRevoked, auth.ReasonBanned, 3},
			{"", auth.ReasonRevoked, auth.ReasonBanned, 2},
			{"", "", auth.ReasonBanned, 1},
		} {
			time.Sleep(whole + Every + 2*pause)
			synctest.Wait()
			for what, got := range map[string][2]auth.Reason{
				"token": {reason(l.Check(token)), want.token}, "user": {reason(l.Check(user)), want.user}, "ban": {reason(l.Check(mallory)), want.ban},
			} {
				if got[0] != got[1] {
					t.Errorf("after %d reads of everything, %s: %q, want %q", i+1, what, got[0], got[1])
				}
			}
			if n := l.Stats().Entries; n != want.entries {
				t.Errorf("after %d reads of everything: %d entries, want %d", i+1, n, want.entries)
			}
		}
		put(t, s.Load(), store.RevokedBan, "mallory", func(r *store.Revocation) { r.On = false })
		time.Sleep(Every + 2*pause)
		synctest.Wait()
		if err := l.Check(mallory); err != nil {
			t.Errorf("lifted: %v", err)
		}
	})
}

// Who has not read for so long that what was lifted may be forgotten begins anew.
func TestWhatWasLiftedLongAgoIsFoundOut(t *testing.T) {
	for _, away := range []time.Duration{lapse, KeepLifted + time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			at := time.Now()
			s := memstore.New(memstore.Options{})
			l := New(Options{Store: s, Now: func() time.Time { return at }})
			ban := func(user string, version int64, on bool) {
				put(t, s, store.RevokedBan, user, func(r *store.Revocation) {
					if r.Version, r.On = version, on; !on {
						r.Until = at.Add(KeepLifted)
					}
				})
			}
			ban("mallory", 1, true)
			ban("eve", 1, true)
			if err := l.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			ban("mallory", 2, false)
			at = at.Add(away)
			if err := s.DropRevocations(t.Context(), at); err != nil { // by another pod
				t.Fatal(err)
			}
			if err := l.refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := l.Check(mallory); err != nil {
				t.Error(err)
			}
			if got := reason(l.Check(Token{NS: "_", User: "eve"})); got != auth.ReasonBanned {
				t.Errorf("%q", got)
			}
		})
	}
}
