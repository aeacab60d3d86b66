package memstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
)

// Append implements [store.Log]. It panics if the batch could leave a hole: if its
// first seq of a conversation is not one above an entry that reads can see.
func (s *Store) Append(ctx context.Context, b store.Batch) store.Appended {
	b.Entries = cloneEntries(b.Entries) // a late write must not see the caller's changes
	a := s.appending(b)
	c := Call{Op: OpAppend, Batch: b}
	if err := s.begin(ctx, &c); err != nil {
		a.unknown(err)
		return a.out
	}
	for in, answer := range a.run(&c) {
		if err := in.await(ctx, answer); err != nil {
			a.unknown(err)
		}
	}
	return a.out
}

// faultsLocked is every fault but Block that hits an Append.
func (s *state) faultsLocked(c *Call) []*Injection {
	var faults []*Injection
	for _, in := range s.faults {
		if in.f.Kind != Block && in.matchLocked(c) {
			faults = append(faults, in)
		}
	}
	return faults
}

// appending is one Append at work.
type appending struct {
	*state
	batch   store.Batch
	out     store.Appended
	applied []chat.Entry                // to be finished now, if the store is atomic
	taken   map[*Injection][]chat.Entry // by each fault, in order
}

func (s *state) appending(b store.Batch) *appending {
	return &appending{
		state: s, batch: b, taken: map[*Injection][]chat.Entry{},
		out: store.Appended{Outcomes: make([]store.Outcome, len(b.Entries)), Finished: s.atomic},
	}
}

func (a *appending) unknown(err error) {
	a.out.Err = fmt.Errorf("memstore: append: %w", err)
	for i := range a.out.Outcomes {
		a.out.Outcomes[i] = store.Unknown
	}
}

// run appends under the lock; it returns what the call has to wait for then.
func (a *appending) run(c *Call) map[*Injection]<-chan bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	faults := a.faultsLocked(c)
	a.runLocked(faults)
	return a.holdLocked(faults)
}

// runLocked appends everything that the faults let pass.
func (a *appending) runLocked(faults []*Injection) {
	es := a.batch.Entries
	for i, j := 0, 0; i < len(es); i = j {
		for j = i + 1; j < len(es) && es[j].Key == es[i].Key; j++ {
		}
		a.checkLocked(es[i:j])
		a.conversationLocked(i, j, faults)
	}
	if a.atomic && len(a.applied) > 0 {
		a.finishLocked(store.Batch{Entries: a.applied, Journal: a.batch.Journal})
	}
}

// conversationLocked appends entries i to j-1, which are of one conversation.
func (a *appending) conversationLocked(i, j int, faults []*Injection) {
	var in *Injection // the fault that holds
	ended := false    // nothing more can be stored
	for ; i < j; i++ {
		e := &a.batch.Entries[i]
		if in == nil || in.f.Kind == FailApplied || in.f.Kind == Invisible {
			if k := slices.IndexFunc(faults, func(o *Injection) bool { return o.takes(e) }); k >= 0 {
				in = faults[k]
			}
		}
		outcome := store.NotTried
		if !ended && (in == nil || in.f.Kind == FailApplied || in.f.Kind == Invisible) {
			visible := in == nil || in.f.Kind == FailApplied
			outcome = a.insertLocked(e, visible)
			if visible && outcome == store.Stored {
				a.applied = append(a.applied, *e)
			}
		}
		ended = ended || outcome != store.Stored
		if in == nil {
			a.out.Outcomes[i] = outcome
			if ended {
				return // the others are NotTried
			}
			continue
		}
		a.out.Outcomes[i], a.out.Err = store.Unknown, fmt.Errorf("memstore: append: %w", in.f.Err)
		taken := a.taken[in]
		if in.f.Kind != Invisible || outcome == store.Stored {
			taken = append(taken, *e)
		}
		a.taken[in] = taken
	}
}

// takes says whether the fault keeps an entry from being stored and told.
func (in *Injection) takes(e *chat.Entry) bool {
	return in.f.Kind != Pass && in.f.Kind != BlockApplied && (in.f.Entry == nil || in.f.Entry(e))
}

// checkLocked panics where entries of one conversation break the rules of a batch.
func (s *state) checkLocked(es []chat.Entry) {
	visible := chat.Seq(s.convLocked(es[0].Key).visible)
	for i := range es {
		e := &es[i]
		if e.Seq < 1 || i > 0 && e.Seq != es[i-1].Seq+1 {
			panic(fmt.Sprintf("memstore: append to %s: seq %d does not follow on", e.Conv, e.Seq))
		}
	}
	if es[0].Seq > visible+1 {
		panic(fmt.Sprintf("memstore: append to %s: seq %d can leave a hole: only %d is committed for good",
			es[0].Conv, es[0].Seq, visible))
	}
}

// insertLocked asks both unique indexes.
func (s *state) insertLocked(e *chat.Entry, visible bool) store.Outcome {
	c := s.convLocked(e.Key)
	id := sent{e.From, e.CMID}
	if int(e.Seq) <= len(c.log) || c.cmids[id] != nil && !mutant.Is(mutant.NoCMIDIndex) {
		return store.Duplicate
	}
	stored := cloneEntry(e)
	stored.Concerns = nil
	c.log = append(c.log, &stored)
	c.cmids[id] = &stored
	if visible {
		c.visible = len(c.log)
	}
	return store.Stored
}

// holdLocked counts the hits, and keeps what Release and RollBack need. It returns
// what the call has to wait for.
func (a *appending) holdLocked(faults []*Injection) map[*Injection]<-chan bool {
	waits := map[*Injection]<-chan bool{}
	for _, in := range faults {
		taken, hit := a.taken[in]
		held := store.Batch{Entries: taken, Journal: a.batch.Journal}
		switch {
		case in.f.Kind == BlockApplied:
			waits[in] = in.holdCallLocked()
		case in.f.Kind == Late && hit:
			in.hitLocked(func(release bool) {
				if release {
					a.appending(held).runLocked(nil)
				}
			})
		case in.f.Kind == Invisible && hit:
			in.hitLocked(func(release bool) { a.revealLocked(held, release) })
		case in.f.Kind == Pass || hit:
			in.hitLocked(nil)
		}
	}
	return waits
}

// revealLocked makes entries visible, or removes them. While they are invisible
// nothing else can be appended to their conversations.
func (s *state) revealLocked(b store.Batch, release bool) {
	if !release {
		for _, e := range slices.Backward(b.Entries) {
			c := s.convLocked(e.Key)
			c.log = c.log[:e.Seq-1]
			delete(c.cmids, sent{e.From, e.CMID})
		}
		return
	}
	for i := range b.Entries {
		s.convLocked(b.Entries[i].Key).visible = int(b.Entries[i].Seq)
	}
	if s.atomic {
		s.finishLocked(b)
	}
}

// Entries implements [store.Log].
func (s *Store) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	return read(ctx, s, Call{Op: OpEntries, Keys: []chat.Key{key}}, func() ([]chat.Entry, error) {
		c := s.convLocked(key)
		from, to := max(r.After, 0), chat.Seq(c.visible)
		if mutant.Is(mutant.LocalRead) {
			to = chat.Seq(len(c.log))
		}
		if r.Before > 0 {
			to = min(to, r.Before-1)
		}
		if n := chat.Seq(r.Limit); to-from > n {
			if r.Desc {
				from = to - n
			} else {
				to = from + n
			}
		}
		var es []chat.Entry
		for ; from < to; from++ {
			es = append(es, cloneEntry(c.log[from]))
		}
		return es, nil
	})
}

// EntriesBy implements [store.Log].
func (s *Store) EntriesBy(ctx context.Context, key chat.Key, from chat.User, limit int) (list []chat.Entry, all bool, err error) {
	list, err = read(ctx, s, Call{Op: OpEntriesBy, Keys: []chat.Key{key}, User: from}, func() ([]chat.Entry, error) {
		c := s.convLocked(key)
		es := []chat.Entry{}
		for _, e := range c.log[:c.visible] {
			if e.From == from {
				es = append(es, cloneEntry(e))
			}
		}
		return es, nil
	})
	if err != nil || len(list) > limit {
		return nil, false, err
	}
	return list, true, nil
}

// Lookup implements [store.Log].
func (s *Store) Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	c := Call{Op: OpLookup, Keys: []chat.Key{key}, User: from}
	return read(ctx, s, c, func() (chat.Entry, error) {
		c := s.convLocked(key)
		e := c.cmids[sent{from, cmid}]
		if e == nil || int(e.Seq) > c.visible {
			return chat.Entry{}, store.ErrNotFound
		}
		return cloneEntry(e), nil
	})
}

// LookupLinearizable implements [store.Log]. Of an entry that is in the indexes and not
// visible yet it does not wait for the end: it fails.
func (s *Store) LookupLinearizable(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	c := Call{Op: OpLookupLinearizable, Keys: []chat.Key{key}, User: from}
	return read(ctx, s, c, func() (chat.Entry, error) {
		c := s.convLocked(key)
		e := c.cmids[sent{from, cmid}]
		switch {
		case e == nil:
			return chat.Entry{}, store.ErrNotFound
		case int(e.Seq) > c.visible:
			return chat.Entry{}, errInvisible
		}
		return cloneEntry(e), nil
	})
}

// errInvisible says that an entry is in the indexes and not committed for good.
var errInvisible = errors.New("the entry is not committed yet")

func cloneEntries(es []chat.Entry) []chat.Entry {
	out := make([]chat.Entry, len(es))
	for i := range es {
		out[i] = cloneEntry(&es[i])
	}
	return out
}

// cloneEntry copies an entry but for the bytes of its body, which nobody changes.
func cloneEntry(e *chat.Entry) chat.Entry {
	c := *e
	c.Mentions, c.Users, c.Concerns = slices.Clone(e.Mentions), slices.Clone(e.Users), slices.Clone(e.Concerns)
	return c
}
