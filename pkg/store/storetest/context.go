package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var contextTests = []test{
	{"append after the end", contextAppend},
	{"other calls after the end", contextCalls},
}

// contextAppend: the outcome is not known, and the cause is the context.
func contextAppend(f *fixture) {
	a, b := f.group(), f.group()
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	es := append(messages(a, 2), message(b, 1, "one"))
	r := f.Append(ctx, store.Batch{Entries: es})
	if !errors.Is(r.Err, context.Canceled) || len(r.Outcomes) != 3 {
		f.Fatalf("append: outcomes %v, error %v; want 3 and %v", r.Outcomes, r.Err, context.Canceled)
	}
	for i, o := range r.Outcomes {
		if o != store.Unknown {
			f.Errorf("outcome %d is %d, want Unknown", i, o)
		}
	}
}

func contextCalls(f *fixture) {
	key := f.joined("alice")
	e := message(key, 1, "one")
	f.put(e)
	p := store.Pod{ID: pod(), Epoch: "e", First: 1}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, _, podsErr := f.Pods(ctx)
	for _, c := range []struct {
		what string
		err  error
	}{
		{"finish", f.Finish(ctx, store.Batch{Entries: []chat.Entry{e}})},
		{"entries", errOf(f.Entries(ctx, key, store.Range{Limit: 1}))},
		{"lookup", errOf(f.Lookup(ctx, key, e.From, e.CMID))},
		{"lookup linearizable", errOf(f.LookupLinearizable(ctx, key, e.From, e.CMID))},
		{"folds", errOf(f.Folds(ctx, key, []chat.Seq{1}))},
		{"create", f.Create(ctx, conversation(f.key()), nil)},
		{"conversations by key", errOf(f.ConversationsByKey(ctx, []chat.Key{key}))},
		{"members", errOf(f.Members(ctx, key, "", 1))},
		{"members by user", errOf(f.MembersByUser(ctx, key, []chat.User{"alice"}))},
		{"memberships", errOf(f.Memberships(ctx, f.ns, "alice", "", 1))},
		{"advance", errOf(f.Advance(ctx, []store.Move{{Key: key, User: "alice", Read: 1, ReadCount: 1}}))},
		{"devices", errOf(f.Devices(ctx, f.ns, "alice"))},
		{"touch device", f.TouchDevice(ctx, f.ns, "alice", store.DeviceInfo{Device: "d", Seen: epoch0})},
		{"drop device", f.DropDevice(ctx, f.ns, "alice", "d")},
		{"read journal", errOf(f.ReadJournal(ctx, p.ID, 0, 1))},
		{"trim journal", f.TrimJournal(ctx, p.ID, 1)},
		{"register", f.Register(ctx, p, time.Hour)},
		{"pods", podsErr},
		{"forget", f.Forget(ctx, p.ID)},
		{"new epoch", errOf(f.NewEpoch(ctx))},
		{"ping", f.Ping(ctx)},
	} {
		if !errors.Is(c.err, context.Canceled) || errors.Is(c.err, store.ErrNotFound) {
			f.Errorf("%s: error %v, want %v", c.what, c.err, context.Canceled)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }
