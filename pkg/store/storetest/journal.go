package storetest

import (
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var journalTests = []test{
	{"a document for a batch", journalDocument},
	{"written once", journalOnce},
	{"none", journalNone},
	{"of the stored entries", journalStored},
	{"a large batch", journalLarge},
	{"read by page", journalPages},
	{"trim", journalTrim},
}

// journal reads all documents of a pod; their times are checked and cleared.
func (f *fixture) journal(pod string, after uint64, limit int) []store.JournalDoc {
	f.Helper()
	docs, err := f.ReadJournal(f.ctx, pod, after, limit)
	f.ok("read journal", err)
	for i := range docs {
		if docs[i].Time.IsZero() {
			f.Errorf("journal document %d has no time", docs[i].Number)
		}
		docs[i].Time = epoch0
		for j := range docs[i].Lines {
			if len(docs[i].Lines[j].Users) == 0 {
				docs[i].Lines[j].Users = nil
			}
		}
	}
	return docs
}

func doc(id store.JournalID, es ...chat.Entry) store.JournalDoc {
	d := store.JournalDoc{JournalID: id, Time: epoch0}
	for i := range es {
		d.Lines = append(d.Lines, store.LineOf(&es[i]))
	}
	return d
}

func journalDocument(f *fixture) {
	a, b := f.group(), f.group()
	id := store.JournalID{Pod: pod(), Number: 1<<40 + 7, Epoch: "epoch-1"}
	direct := message(b, 1, "direct")
	direct.Concerns = []chat.User{"$a.b", "c"}
	es := []chat.Entry{
		message(a, 1, "one"), members(a, 2, chat.ChangeAdded, role("x@y.z", chat.RoleMember)), message(a, 3, "three"), direct,
	}
	f.appendAndFinish(store.Batch{Entries: es, Journal: id})
	same(f, "journal", f.journal(id.Pod, 0, 10), []store.JournalDoc{doc(id, es...)})
	same(f, "journal of another pod", len(f.journal(pod(), 0, 10)), 0)
}

func journalOnce(f *fixture) {
	key := f.group()
	es := messages(key, 2)
	id := store.JournalID{Pod: pod(), Number: 3, Epoch: "epoch-1"}
	f.appendAndFinish(store.Batch{Entries: es[:1], Journal: id})
	f.put(es[1])
	f.ok("finish again", f.Finish(f.ctx, store.Batch{Entries: es[:1], Journal: id}))
	other := id
	other.Epoch = "epoch-2"
	f.ok("finish with another's number", f.Finish(f.ctx, store.Batch{Entries: es, Journal: other}))
	same(f, "journal", f.journal(id.Pod, 0, 10), []store.JournalDoc{doc(id, es[:1]...)})

	// A repeat of an entry under a new number is written down again.
	id2 := store.JournalID{Pod: id.Pod, Number: 4, Epoch: "epoch-2"}
	f.ok("finish under a new number", f.Finish(f.ctx, store.Batch{Entries: es, Journal: id2}))
	same(f, "journal", f.journal(id.Pod, 3, 10), []store.JournalDoc{doc(id2, es...)})
}

func journalNone(f *fixture) {
	key := f.group()
	e := message(key, 1, "one")
	f.put(e)
	f.finish(e)
	same(f, "journal of no pod", len(f.journal("", 0, 10)), 0)
}

// journalStored: what Append refused is in no line.
func journalStored(f *fixture) {
	a, b := f.group(), f.group()
	f.put(message(a, 1, "first"))
	es := []chat.Entry{message(a, 1, "rival"), message(b, 1, "one")}
	id := store.JournalID{Pod: pod(), Number: 1, Epoch: "e"}
	r := f.Append(f.ctx, store.Batch{Entries: es, Journal: id})
	if r.Err != nil || r.Outcomes[0] != store.Duplicate || r.Outcomes[1] != store.Stored {
		f.Fatalf("append: %+v", r)
	}
	if !r.Finished {
		f.ok("finish", f.Finish(f.ctx, store.Batch{Entries: es[1:], Journal: id}))
	}
	same(f, "journal", f.journal(id.Pod, 0, 10), []store.JournalDoc{doc(id, es[1])})
}

func journalLarge(f *fixture) {
	key := f.group()
	var es []chat.Entry
	for _, e := range messages(key, 60) {
		e.Concerns = []chat.User{"alice", chat.User(fmt.Sprintf("bob.%d", e.Seq))}
		es = append(es, e)
	}
	id := store.JournalID{Pod: pod(), Number: 1, Epoch: "e"}
	f.appendAndFinish(store.Batch{Entries: es, Journal: id})
	same(f, "journal", f.journal(id.Pod, 0, 10), []store.JournalDoc{doc(id, es...)})
}

// journalled writes documents with these numbers, in this order.
func (f *fixture) journalled(pod string, numbers ...uint64) {
	f.Helper()
	e := message(f.group(), 1, "one")
	f.put(e)
	for _, n := range numbers {
		b := store.Batch{Entries: []chat.Entry{e}, Journal: store.JournalID{Pod: pod, Number: n, Epoch: "e"}}
		f.ok("finish", f.Finish(f.ctx, b))
	}
}

func (f *fixture) numbers(pod string, after uint64, limit int, want ...uint64) {
	f.Helper()
	var got []uint64
	for _, d := range f.journal(pod, after, limit) {
		got = append(got, d.Number)
	}
	same(f, fmt.Sprintf("numbers after %d, limit %d", after, limit), got, want)
}

func journalPages(f *fixture) {
	p := pod()
	f.journalled(p, 12, 9, 100, 10, 2)
	f.journalled(p+"0", 11)
	f.numbers(p, 0, 100, 2, 9, 10, 12, 100)
	f.numbers(p, 0, 2, 2, 9)
	f.numbers(p, 1, 1, 2)
	f.numbers(p, 2, 1, 9)
	f.numbers(p, 9, 2, 10, 12)
	f.numbers(p, 11, 5, 12, 100)
	f.numbers(p, 100, 5)
}

func journalTrim(f *fixture) {
	p, other := pod(), pod()
	f.journalled(p, 1, 2, 3, 10)
	f.journalled(other, 1)
	f.ok("trim", f.TrimJournal(f.ctx, p, 3))
	f.numbers(p, 0, 10, 3, 10)
	f.ok("trim again", f.TrimJournal(f.ctx, p, 2))
	f.numbers(p, 0, 10, 3, 10)
	f.numbers(other, 0, 10, 1)
	f.ok("trim all", f.TrimJournal(f.ctx, p, 11))
	f.numbers(p, 0, 10)
	f.ok("trim an unknown pod", f.TrimJournal(f.ctx, pod(), 5))
}
