package revoke

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(t *testing.T, s *memstore.Store, kind store.RevocationKind, name string, change func(*store.Revocation)) {
	t.Helper()
	r := store.Revocation{NS: "_", Kind: kind, Name: name, Version: time.Now().UnixNano(), On: true}
	if change != nil {
		change(&r)
	}
	if _, err := s.PutRevocation(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func loaded(t *testing.T, s *memstore.Store, changed func()) *List {
	t.Helper()
	l := New(Options{Store: s, Changed: changed})
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func reason(err error) auth.Reason {
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestCheck(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	s := memstore.New(memstore.Options{})
	put(t, s, store.RevokedToken, Name("t1"), func(r *store.Revocation) { r.Until = now.Add(time.Hour) })
	put(t, s, store.RevokedToken, Name("over"), func(r *store.Revocation) { r.Until = now.Add(-time.Second) })
	put(t, s, store.RevokedToken, "not a mark", nil)
	put(t, s, store.RevokedUser, "bob", func(r *store.Revocation) { r.Before = now })
	put(t, s, store.RevokedUser, "was", func(r *store.Revocation) { r.Before, r.Until = now, now.Add(-time.Second) })
	put(t, s, store.RevokedBan, "mallory", nil)
	put(t, s, store.RevokedBan, "lifted", func(r *store.Revocation) { r.On = false })
	put(t, s, store.RevokedBan, "forgiven", func(r *store.Revocation) { r.Until = now.Add(-time.Second) })
	put(t, s, "later version", "alice", nil)
	l := loaded(t, s, nil)
	for _, c := range []struct {
		user   chat.User
		ns     chat.NS
		jti    string
		issued time.Time
		want   auth.Reason
	}{
		{user: "alice", issued: now},
		{user: "alice"},
		{user: "alice", jti: "t1", want: auth.ReasonRevoked},
		{user: "alice", jti: "t2"},
		{user: "alice", jti: "over"},
		{user: "alice", ns: "x", jti: "t1"}, // nothing crosses a tenant
		{user: "bob", issued: now},
		{user: "bob", issued: now.Add(-time.Millisecond), want: auth.ReasonRevoked},
		{user: "bob", want: auth.ReasonRevoked},
		{user: "bob", ns: "x"},
		{user: "was"},
		{user: "mallory", issued: now.Add(time.Hour), want: auth.ReasonBanned},
		{user: "mallory", ns: "x"},
		{user: "lifted"},
		{user: "forgiven"},
	} {
		id := auth.Identity{NS: "_", User: c.user, ID: c.jti, IssuedAt: c.issued}
		if c.ns != "" {
			id.NS = c.ns
		}
		if got := reason(l.Check(TokenOf(id))); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if bans := l.Bans("_", "", 10); len(bans) != 1 || bans[0].Name != "mallory" {
		t.Errorf("bans: %+v", bans)
	}
	if st := l.Stats(); st.Entries != 3 || l.Full() {
		t.Errorf("%+v", st)
	}
}

func TestErrors(t *testing.T) {
	banned, revoked := &auth.Error{Reason: auth.ReasonBanned}, &auth.Error{Reason: auth.ReasonRevoked}
	if !errors.Is(banned, auth.ErrBanned) || chat.AsError(banned).Code != chat.CodeForbidden {
		t.Errorf("banned: %v", chat.AsError(banned))
	}
	if !errors.Is(revoked, auth.ErrInvalid) || chat.AsError(revoked).Code != chat.CodeUnauthenticated {
		t.Errorf("revoked: %v", chat.AsError(revoked))
	}
}

func TestBansInParts(t *testing.T) {
	s := memstore.New(memstore.Options{})
	for i := range 5 {
		put(t, s, store.RevokedBan, fmt.Sprint("u", i), nil)
	}
	l := loaded(t, s, nil)
	got := ""
	for after := chat.User(""); ; {
		part := l.Bans("_", after, 2)
		if len(part) == 0 {
			break
		}
		for _, r := range part {
			got += r.Name + " "
			after = chat.User(r.Name)
		}
	}
	if got != "u0 u1 u2 u3 u4 " {
		t.Error(got)
	}
}

// running has a list kept in step, in a bubble.
func running(t *testing.T, s *memstore.Store, changed func()) *List {
	l := loaded(t, s, changed)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

var mallory = Token{NS: "_", User: "mallory"}

// What nobody announces is found by itself, in time.
func TestChangesAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		told := 0
		l := running(t, s, func() { told++ })
		for i := range 100 { // also after long quiet times
			put(t, s, store.RevokedBan, "mallory", nil)
			time.Sleep(Every + pause + time.Millisecond)
			synctest.Wait()
			if reason(l.Check(mallory)) != auth.ReasonBanned || told < i+1 {
				t.Fatalf("round %d: not banned, or told %d times", i, told)
			}
			put(t, s, store.RevokedBan, "mallory", func(r *store.Revocation) { r.On = false })
			time.Sleep(Every + pause + time.Duration(i)*3*time.Second)
			synctest.Wait()
			if err := l.Check(mallory); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
		}
	})
}

func TestLookIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		l := running(t, s, nil)
		put(t, s, store.RevokedBan, "mallory", nil)
		before := s.Calls(memstore.OpRevocations)
		for range 1000 {
			l.Look()
		}
		synctest.Wait()
		if reason(l.Check(mallory)) != auth.ReasonBanned {
			t.Error("not banned at once")
		}
		time.Sleep(pause + time.Millisecond)
		synctest.Wait()
		if n := s.Calls(memstore.OpRevocations) - before; n > 2 {
			t.Errorf("%d reads for announcements of one moment", n)
		}
	})
}

// slowWrites are writes that show a time from before reads that have missed them.
func TestSlowWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := func() time.Time { return time.Now() }
		s := memstore.New(memstore.Options{Now: func() time.Time { return clock() }})
		l := running(t, s, nil)
		for _, late := range []time.Duration{time.Second, 10 * time.Second, settle - time.Second} {
			put(t, s, store.RevokedBan, "other", nil) // the latest change that is seen
			time.Sleep(Every + pause)
			clock = func() time.Time { return time.Now().Add(-late) }
			put(t, s, store.RevokedBan, "mallory", nil)
			clock = time.Now
			time.Sleep(Every + pause)
			synctest.Wait()
			if reason(l.Check(mallory)) != auth.ReasonBanned {
				t.Errorf("a write %v before what was seen is missed", late)
			}
			put(t, s, store.RevokedBan, "mallory", func(r *store.Revocation) { r.On = false })
			time.Sleep(3 * settle)
		}
	})
}

// A store that is away changes nothing, and nobody is let in who was not before.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		put(t, s, store.RevokedBan, "mallory", nil)
		l := running(t, s, nil)
		away := s.Inject(memstore.Fault{Op: memstore.OpRevocations, Kind: memstore.Fail})
		time.Sleep(3 * whole)
		synctest.Wait()
		if reason(l.Check(mallory)) != auth.ReasonBanned || l.Stats().Age < 2*whole {
			t.Errorf("%v, %+v", l.Check(mallory), l.Stats())
		}
		put(t, s, store.RevokedBan, "eve", nil)
		away.Remove()
		time.Sleep(Every + pause)
		synctest.Wait()
		if reason(l.Check(Token{NS: "_", User: "eve"})) != auth.ReasonBanned || l.Stats().Age > Every {
			t.Errorf("%+v", l.Stats())
		}
		s.Inject(memstore.Fault{Op: memstore.OpRevocations, Kind: memstore.Fail})
		if err := New(Options{Store: s}).Load(t.Context()); err == nil {
			t.Error("a list is ready without having been read")
		}
	})
}

// large is a store of which everything cannot be read in time.
type large struct {
	*memstore.Store
	slow bool
}

func (s *large) Revocations(ctx context.Context, since time.Time) ([]store.Revocation, error) {
	if s.slow && since.IsZero() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Revocations(ctx, since)
}

// Where everything cannot be read, what changes is found all the same.
func TestChangesAreFoundWithoutTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		put(t, s, store.RevokedBan, "first", nil)
		from := &large{Store: s}
		l := New(Options{Store: from})
		if err := l.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		from.slow = true
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx)
		}()
		time.Sleep(whole + time.Minute)
		put(t, s, store.RevokedBan, "mallory", nil)
		time.Sleep(wholePatience + 2*Every)
		if got := reason(l.Check(Token{NS: "_", User: "mallory"})); got != auth.ReasonBanned {
			t.Errorf("%q", got)
		}
		if got := reason(l.Check(Token{NS: "_", User: "first"})); got != auth.ReasonBanned {
			t.Errorf("what was known: %q", got)
		}
		if age := l.Stats().Age; age > wholePatience+2*Every {
			t.Errorf("last read %v ago", age)
		}
		cancel()
		<-ended
	})
}

// What has ended is forgotten by itself, and removed from the store once in a while.
func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		put(t, s, store.RevokedBan, "mallory", func(r *store.Revocation) { r.Until = time.Now().Add(time.Minute) })
		l := running(t, s, nil)
		time.Sleep(time.Minute)
		if err := l.Check(mallory); err != nil {
			t.Error(err)
		}
		time.Sleep(whole + Every + pause)
		synctest.Wait()
		left, err := s.Revocations(t.Context(), time.Time{})
		if err != nil || len(left) != 0 || l.Stats().Entries != 0 {
			t.Errorf("%v, %v, %+v", left, err, l.Stats())
		}
	})
}

// A burst of changes is not read again and again for ever.
func TestQuietLooksFindNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		for i := range 100 {
			put(t, s, store.RevokedBan, fmt.Sprint("u", i), nil)
			time.Sleep(time.Millisecond)
		}
		l := running(t, s, nil)
		time.Sleep(3 * settle)
		synctest.Wait()
		found, err := s.Revocations(t.Context(), l.since(time.Now()))
		if err != nil || len(found) != 1 {
			t.Errorf("a quiet look finds %d, %v", len(found), err)
		}
	})
}

type verifier struct{ id auth.Identity }

func (v verifier) Verify(token string) (auth.Identity, error) {
	if token != "good" {
		return auth.Identity{}, &auth.Error{Reason: auth.ReasonSignature}
	}
	return v.id, nil
}

func TestGuard(t *testing.T) {
	s := memstore.New(memstore.Options{})
	l := loaded(t, s, nil)
	g := l.Guard(verifier{auth.Identity{NS: "_", User: "mallory"}})
	if id, err := g.Verify("good"); err != nil || id.User != "mallory" {
		t.Errorf("%v, %v", id, err)
	}
	if _, err := g.Verify("bad"); reason(err) != auth.ReasonSignature {
		t.Error(err)
	}
	put(t, s, store.RevokedBan, "mallory", nil)
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id, err := g.Verify("good"); reason(err) != auth.ReasonBanned || id.User != "" {
		t.Errorf("%v, %v", id, err)
	}
}

// A token that is counted is counted once: as what it is found to be in the end.
func TestGuardedTokensAreCounted(t *testing.T) {
	s := memstore.New(memstore.Options{})
	put(t, s, store.RevokedBan, "mallory", nil)
	put(t, s, store.RevokedToken, Name("t1"), func(r *store.Revocation) { r.Until = time.Now().Add(time.Hour) })
	l, meter := loaded(t, s, nil), auth.NewMeter()
	for id, token := range map[*auth.Identity]string{{User: "alice"}: "good", {User: "bob"}: "bad", {User: "mallory"}: "good", {User: "eve", ID: "t1"}: "good"} {
		id.NS = "_"
		_, _ = l.Guard(meter.Observe(verifier{*id})).Verify(token)
	}
	got := meter.Outcomes()
	for outcome, n := range got {
		want := uint64(0)
		switch outcome {
		case auth.Accepted, string(auth.ReasonSignature), string(auth.ReasonBanned), string(auth.ReasonRevoked):
			want = 1
		}
		if n != want {
			t.Errorf("%s: %d, want %d", outcome, n, want)
		}
	}
	if _, ok := got[string(auth.ReasonBanned)]; !ok {
		t.Error("bans are not counted")
	}
}
