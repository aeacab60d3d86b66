package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var concurrentTests = []test{
	{"one log", concurrentLog},
	{"one cmid", concurrentCMID},
	{"whole batches", concurrentBatches},
	{"finish", concurrentFinish},
	{"recall and its message", concurrentRecall},
	{"cursors", concurrentCursors},
	{"cursors and entries", concurrentMember},
	{"create", concurrentCreate},
	{"devices", concurrentDevices},
	{"meta", concurrentMeta},
}

// write appends one entry where the log ends, as often as it takes. It reports
// false if another has stored its cmid.
func (f *fixture) write(ctx context.Context, e chat.Entry) (bool, error) {
	for {
		tail, err := f.Entries(ctx, e.Key, store.Range{Limit: 1, Desc: true})
		if err != nil {
			return false, err
		}
		e.Seq = 1
		if len(tail) > 0 {
			e.Seq = tail[0].Seq + 1
		}
		a := f.Append(ctx, store.Batch{Entries: []chat.Entry{e}})
		switch {
		case a.Err != nil:
			return false, a.Err
		case a.Outcomes[0] == store.Stored && a.Finished:
			return true, nil
		case a.Outcomes[0] == store.Stored:
			return true, f.Finish(ctx, store.Batch{Entries: []chat.Entry{e}})
		case a.Outcomes[0] != store.Duplicate:
			return false, fmt.Errorf("append of one entry: outcome %d", a.Outcomes[0])
		}
		switch _, err := f.Lookup(ctx, e.Key, e.From, e.CMID); {
		case err == nil:
			return false, nil
		case !errors.Is(err, store.ErrNotFound):
			return false, err
		}
	}
}

// dense checks that a log is 1..n, and that n is the head.
func (f *fixture) dense(key chat.Key, n int) []chat.Entry {
	f.Helper()
	es := f.log(key)
	for i, e := range es {
		if e.Seq != chat.Seq(i+1) {
			f.Fatalf("entry %d has seq %d", i+1, e.Seq)
		}
	}
	same(f, "entries", len(es), n)
	same(f, "last", f.conversation(key).Last.Seq, chat.Seq(n))
	return es
}

func concurrentLog(f *fixture) {
	const writers, each = 6, 6
	key := f.group()
	f.parallel(writers, func(w int) error {
		for i := range each {
			e := message(key, 1, "hello")
			e.From, e.CMID = chat.User(fmt.Sprintf("user.%d", w)), chat.CMID(fmt.Sprintf("c%d", i))
			if stored, err := f.write(f.ctx, e); err != nil || !stored {
				return fmt.Errorf("writer %d: stored %t, error %w", w, stored, err)
			}
		}
		return nil
	})
	next := map[chat.User]int{}
	for _, e := range f.dense(key, writers*each) {
		same(f, "cmid of "+string(e.From), e.CMID, chat.CMID(fmt.Sprintf("c%d", next[e.From])))
		next[e.From]++
	}
}

// concurrentCMID has rivals with the same cmid at different seqs: each also
// writes an entry of its own.
func concurrentCMID(f *fixture) {
	const writers = 8
	key := f.group()
	var stored atomic.Int64
	f.parallel(writers, func(w int) error {
		own, shared := message(key, 1, "own"), message(key, 1, "shared")
		own.CMID, shared.CMID = chat.CMID(fmt.Sprintf("own%d", w)), "shared"
		if w%2 == 0 {
			if ok, err := f.write(f.ctx, own); err != nil || !ok {
				return fmt.Errorf("own entry: stored %t, error %w", ok, err)
			}
		}
		ok, err := f.write(f.ctx, shared)
		if ok {
			stored.Add(1)
		}
		return err
	})
	same(f, "stored", stored.Load(), 1)
	f.dense(key, writers/2+1)
}

// concurrentBatches: of rivals that start at the same seq one gets all of a
// conversation.
func concurrentBatches(f *fixture) {
	const rivals = 4
	keys := []chat.Key{f.group(), f.group(), f.group()}
	outcomes := make([][]store.Outcome, rivals)
	batch := func(r int) []chat.Entry {
		var es []chat.Entry
		for _, key := range keys {
			for _, e := range messages(key, 3) {
				e.From = chat.User(fmt.Sprintf("rival.%d", r))
				es = append(es, e)
			}
		}
		return es
	}
	f.parallel(rivals, func(r int) error {
		a := f.Append(f.ctx, store.Batch{Entries: batch(r)})
		outcomes[r] = a.Outcomes
		return a.Err
	})
	for k, key := range keys {
		var want []chat.Entry
		for r := range rivals {
			es := batch(r)[3*k : 3*k+3]
			switch got := [3]store.Outcome(outcomes[r][3*k:]); got {
			case [3]store.Outcome{store.Stored, store.Stored, store.Stored}:
				want = append(want, es...)
			case [3]store.Outcome{store.Duplicate, store.NotTried, store.NotTried}:
			default:
				f.Errorf("rival %d, conversation %d: outcomes %v", r, k, got)
			}
		}
		f.sameEntries(f.log(key), want)
	}
}

// concurrentFinish has several pods finish the same entries, some of them in
// another order.
func concurrentFinish(f *fixture) {
	key := f.group()
	es := []chat.Entry{
		titled(key, 1, chat.ChangeCreated, "first"), message(key, 2, "two"), edit(key, 3, 2, "two'"), edit(key, 4, 2, "two''"),
		reaction(key, 5, 2, "bob", "👍", true), reaction(key, 6, 2, "bob", "👍", false), titled(key, 7, chat.ChangeRenamed, "second"),
		message(key, 8, "eight"),
	}
	id := store.JournalID{Pod: pod(), Number: 1, Epoch: "e"}
	f.append(store.Batch{Entries: es, Journal: id})
	f.parallel(4, func(i int) error {
		if i%2 == 0 {
			return f.Finish(f.ctx, store.Batch{Entries: es, Journal: id})
		}
		for j := range es {
			if err := f.Finish(f.ctx, store.Batch{Entries: es[len(es)-1-j:][:1]}); err != nil {
				return err
			}
		}
		return nil
	})
	want := conversation(key)
	want.Title, want.TitleAsOf, want.Last = "second", 7, store.LastOf(&es[7])
	want.Preview = chat.Preview{Seq: 8, From: "alice", Time: at(8), Text: "eight"}
	f.sameConversation(f.conversation(key), want)
	f.sameEdit(f.fold(key, 2).Edited, &store.Edited{Seq: 4, Time: at(4), Body: es[3].Body})
	f.sameReactions(key, 2)
	same(f, "journal", f.journal(id.Pod, 0, 10), []store.JournalDoc{doc(id, es...)})
}

// concurrentRecall races a recall with the late finish of what it takes back.
func concurrentRecall(f *fixture) {
	for range 4 {
		key := f.group()
		es := recalledLog(key)
		f.appendOnly(es...)
		f.parallel(len(es), func(i int) error {
			return f.Finish(f.ctx, store.Batch{Entries: es[i : i+1]})
		})
		f.blanked(key, es)
	}
}

func concurrentCursors(f *fixture) {
	const devices, steps = 8, 3
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	want.Read, want.ReadCount, want.Recv = devices*steps, devices*steps, map[chat.Device]chat.Seq{}
	for d := range devices {
		want.Recv[chat.Device(fmt.Sprintf("d%d", d))] = chat.Seq(steps + d)
	}
	f.parallel(devices, func(d int) error {
		for i := 1; i <= steps; i++ {
			read := chat.Seq(d*steps + i)
			_, err := f.Advance(f.ctx, []store.Move{{
				Key: key, User: "bob", Device: chat.Device(fmt.Sprintf("d%d", d)), Recv: chat.Seq(i + d),
				Read: read, ReadCount: int64(read),
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	f.sameMember(f.member(key, "bob"), want)
}

// concurrentMember has cursors move while entries change the same member.
func concurrentMember(f *fixture) {
	key := f.joined("bob")
	es := []chat.Entry{message(key, 1, "one"), members(key, 2, chat.ChangeRole, role("bob", chat.RoleAdmin))}
	f.appendOnly(es...)
	f.parallel(4, func(i int) error {
		if i == 0 {
			return f.Finish(f.ctx, store.Batch{Entries: es})
		}
		_, err := f.Advance(f.ctx, []store.Move{{Key: key, User: "bob", Device: chat.Device(fmt.Sprint("d", i)), Recv: 1}})
		return err
	})
	want := chat.Member{Key: key, User: "bob", Role: chat.RoleAdmin, AsOf: 2, Joined: 1}
	want.Recv = map[chat.Device]chat.Seq{"d1": 1, "d2": 1, "d3": 1}
	f.sameMember(f.member(key, "bob"), want)
}

func concurrentCreate(f *fixture) {
	key := f.key()
	f.parallel(4, func(i int) error {
		c := conversation(key)
		c.Title = fmt.Sprint("title ", i)
		ms := joinedMembers(key, "alice", "bob")
		ms[0].Joined = chat.Seq(i + 1)
		return f.Create(f.ctx, c, ms)
	})
	f.conversation(key)
	ms, err := f.Members(f.ctx, key, "", 10)
	f.ok("members", err)
	same(f, "members", len(ms), 2)
}

func concurrentDevices(f *fixture) {
	const n = 6
	f.parallel(n, func(i int) error {
		return f.TouchDevice(f.ctx, f.ns, "bob", store.DeviceInfo{Device: "phone", Seen: at(chat.Seq(i))})
	})
	f.sameDevices("bob", store.DeviceInfo{Device: "phone", Seen: at(n - 1)})
}

func concurrentMeta(f *fixture) {
	got := make([]store.MetaInfo, 6)
	f.parallel(len(got), func(i int) (err error) {
		got[i], err = f.Meta(f.ctx)
		return err
	})
	for _, m := range got {
		same(f, "meta", m, got[0])
	}
}
